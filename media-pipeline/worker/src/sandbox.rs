//! What a worker may not do, and how that is made so: before it takes a job.
