//! Frames with file descriptors between the program and a worker.
