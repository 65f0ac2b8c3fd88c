//! What a gateway measures, declared.
//!
//! It deliberately lacks counting: whoever sees something happen counts it. It is separate so that each part of a gateway counts its own
//! and all are declared in one place.
#![deny(unsafe_code)]

pub mod catalogue;
