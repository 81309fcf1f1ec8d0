//! The guide, sentence by sentence.

mod flow;
mod harness;
