//! Beside the house: object stores for benches, and other programs that bring files to them and back.
//!
//! A [`StoreServer`] is what `starling store` serves, in a process of its own: the bench's program, started again with a
//! [`part`] to play. A [`Tool`] is another program, driven as its users drive it and asked for its best. A [`Runner`]
//! starts a process, waits for it, and says what it used.
//!
//! It never judges a figure, and whatever it started ends when it is dropped.

mod content;
mod part;
mod runner;
mod server;
mod tool;

pub use content::{put_artifact, verify};
pub use part::{arguments_of, part, played};
pub use runner::{Command, Runner, bytes_read};
pub use server::{StoreServer, client, config, sender, serve};
pub use tool::Tool;
