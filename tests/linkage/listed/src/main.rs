//! Lists a third party's backend in `Cargo.toml` and never names it.

fn main() {
    match registry::Registry::linked() {
        Ok(linked) => linked.iter().for_each(|found| println!("{}", found.backend.descriptor().id)),
        Err(error) => println!("error: {error}"),
    }
}
