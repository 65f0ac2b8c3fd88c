//! What Ostler does, seen from outside: one binary, one module a theme, one test a behaviour.

mod bad_chunks;
mod bad_heads;
mod bodies;
mod boot;
mod chaos;
mod clocks;
mod deadlines;
mod drain;
mod durable;
mod environ;
mod fairness;
mod frameworks;
mod hosts;
mod http2;
mod joining;
mod kills;
mod logs;
mod observe;
mod openapi;
mod pids;
mod processes;
mod queue;
mod responses;
mod routes;
mod scaling;
