//! The sandbox and the pool from outside: real processes, of which some have been taken over.

mod attacks;
mod life;
mod parents;
mod real;
mod support;
