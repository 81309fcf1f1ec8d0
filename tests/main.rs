//! The guide, sentence by sentence.

mod harness;
