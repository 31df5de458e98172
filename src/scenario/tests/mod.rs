//! Tests of loading, on a small type of their own.

mod diagnostics;
mod kit;
mod layers;
mod presets;
mod schema;
mod shape;
mod source;
