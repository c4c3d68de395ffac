//! An appraisal policy, and every backend's reading of its section.
#![no_main]

use std::sync::{Arc, LazyLock};

use backend_api::OfflineBundle;
use libfuzzer_sys::fuzz_target;
use registry::{Accepted, AppraisalPolicy, Registry, Verifier};

static ACCEPTED: LazyLock<Accepted> = LazyLock::new(|| {
    let linked = Registry::linked().expect("the backends agree");
    let ids: Vec<&str> = linked.iter().map(|found| found.backend.descriptor().id.as_str()).collect();
    linked.accept(ids).expect("each is linked")
});

fuzz_target!(|text: &str| {
    let Ok(policy) = AppraisalPolicy::from_toml(text) else { return };
    let _ = Verifier::new(ACCEPTED.clone(), Arc::new(OfflineBundle::default()), policy);
});
