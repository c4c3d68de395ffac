//! Names the registry and no backend.

fn main() {
    match registry::Registry::linked() {
        Ok(linked) => linked.iter().for_each(|found| println!("{}", found.backend.descriptor().id)),
        Err(error) => println!("error: {error}"),
    }
}
