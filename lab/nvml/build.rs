//! The library stays in a process that loaded it. What it is made of leaves destructors with the threads that called it (AWS-LC, for its
//! random numbers), which would otherwise lead nowhere once the library is closed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
