//! The program's side: processes made ready beforehand, one job each, watched and ended.
