//! Names two backends with one id.

use same_id as _;
use third_party as _;

fn main() {
    match registry::Registry::linked() {
        Ok(linked) => linked.iter().for_each(|found| println!("{}", found.backend.descriptor().id)),
        Err(error) => println!("error: {error}"),
    }
}
