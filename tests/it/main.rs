//! What Ostler does, seen from outside: one binary, one module a theme, one test a behaviour.

mod bad_chunks;
mod bad_heads;
mod environ;
