//! What the simulated AWS forges.

use lab::aws::{Instance, Lengths};

use crate::Seeds;

/// Documents, and payloads alone, which the target signs.
pub fn documents() -> Seeds {
    let mut seeds = Seeds::new();
    let mut instance = Instance::new();
    instance.document.nonce = Some(vec![7; 32]);
    instance.document.user_data = Some(Vec::new());
    seeds.push(("sound".to_owned(), instance.sign()));
    seeds.push(("payload".to_owned(), instance.filled().payload()));
    let mut definite = instance.clone();
    definite.document.payload = Lengths::Definite;
    definite.document.tag = Some(18);
    definite.document.omitted = vec!["public_key", "user_data"];
    seeds.push(("definite-tagged".to_owned(), definite.sign()));
    seeds.push(("definite-payload".to_owned(), definite.filled().payload()));
    let mut indefinite = instance.clone();
    indefinite.document.others = Lengths::Indefinite;
    indefinite.document.pcrs.truncate(1);
    seeds.push(("indefinite".to_owned(), indefinite.sign()));
    seeds.push(("indefinite-payload".to_owned(), indefinite.filled().payload()));
    let mut enclave = instance;
    enclave.document.registers = "pcrs".to_owned();
    seeds.push(("enclave".to_owned(), enclave.sign()));
    seeds
}
