//! Builds again when a migration was added: `sqlx::migrate!` alone sees only those that it knows.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
