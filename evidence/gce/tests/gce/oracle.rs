//! OpenSSL signs as Google's tool does, and in ways that Google's does not: the salt has 32 bytes and no other length.

use std::{fs, path::Path, process::Command};

use lab::google::{EndorsementSpec, endorsement::endorsement};

use crate::endorsement::Scene;

const SIGNER: &[u8] = include_bytes!("../../../../lab/keys/google_endorsement_signer.pk8");

/// A signature over what is to be signed, with a salt of `salt` bytes; `None` where there is no OpenSSL.
fn signed(folder: &Path, golden: &[u8], salt: &str, mgf: &str) -> Option<Vec<u8>> {
    fs::write(folder.join("golden"), golden).unwrap();
    fs::write(folder.join("key"), SIGNER).unwrap();
    let (salt, mgf) = (format!("rsa_pss_saltlen:{salt}"), format!("rsa_mgf1_md:{mgf}"));
    let arguments = ["dgst", "-sha256", "-sign", "key", "-keyform", "DER", "-out", "signature"];
    let options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", &salt, "-sigopt", &mgf, "golden"];
    let status = Command::new("openssl").args(arguments).args(options).current_dir(folder).status().ok()?;
    assert!(status.success());
    Some(fs::read(folder.join("signature")).unwrap())
}

#[test]
fn the_salt_is_as_long_as_the_hash() {
    let folder = tempfile::tempdir().unwrap();
    let golden = EndorsementSpec::default().golden();
    for (salt, mgf, accepted) in [
        ("32", "sha256", true),
        ("digest", "sha256", true),
        ("0", "sha256", false),
        ("20", "sha256", false),
        ("31", "sha256", false),
        ("33", "sha256", false),
        ("max", "sha256", false),
        ("32", "sha1", false),
        ("32", "sha384", false),
    ] {
        let Some(signature) = signed(folder.path(), &golden, salt, mgf) else {
            return lab::vectors::skipped("the_salt_is_as_long_as_the_hash", "no openssl");
        };
        let scene = Scene::of(endorsement(&golden, &signature));
        let failed = (!accepted).then_some("gce-endorsement-signature");
        assert_eq!(scene.verify().err().map(|(check, _)| check), failed, "{salt} {mgf}");
    }
}
