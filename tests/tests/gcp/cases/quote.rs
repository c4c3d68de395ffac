//! The quote of the vTPM, and what it says of the technology.

use super::*;

cases! {
    "tpm-quote-format", "a structure that no TPM made": |scene| edit(scene, |quote| quote.magic = 0xFF54_4348);
    "tpm-quote-format", "a byte behind the quote": |scene| edit(scene, |quote| quote.after = vec![0]);
    "tpm-quote-format", "a byte behind the signature": |scene| scene.edit = |evidence| evidence.signature.push(0);
    "tpm-quote-signature", "another key's signature": |scene| {
        scene.edit = |evidence| {
            let quote = evidence.quote.to_vec();
            evidence.signature = lab::tpm::ecdsa_p256(&P256Key::from_label("another ak"), &quote).into();
        };
    };
    "tpm-quote-signature", "a quote that was changed after signing": |scene| {
        scene.edit = |evidence| *evidence.quote.last_mut().unwrap() ^= 1;
    };
    "tpm-extra-data", "the quote of another challenge": |scene| {
        edit(scene, |quote| quote.extra_data[0] ^= 1);
    };
    "tpm-extra-data", "the bare challenge": |scene| edit(scene, |quote| quote.extra_data = vec![0xC4; 64]);
    "tpm-extra-data", "a quote over the TD quote without its zeros", of dstack: |scene| {
        scene.edit = |evidence| {
            let length = evidence_tdx::Quote::trim_padding(&evidence.report).unwrap().len();
            evidence.report.truncate(length);
        };
    };
    "tpm-extra-data", "another nonce", of raw: |scene| edit(scene, |quote| quote.extra_data[0] ^= 1);
    "tpm-extra-data", "another nonce than the policy names", of raw_named: |scene| edit(scene, |quote| quote.extra_data[0] ^= 1);
    "tpm-selection", "PCR16 in the place of PCR4": |scene| {
        // An attacker extended PCR16 as a good boot extends PCR4. The values hash to what the TPM signed.
        let good = scene.guest.pcr(4);
        scene.guest.pcrs.push((16, good));
        let pcrs = backend_gcp::V1_PCRS.map(|pcr| if pcr == 4 { 16 } else { pcr });
        scene.guest.selection.pcrs = pcrs.to_vec();
    };
    "tpm-selection", "one register fewer": |scene| _ = scene.guest.selection.pcrs.pop();
    "tpm-selection", "the same registers of another bank": |scene| {
        edit(scene, |quote| quote.selections[0].algorithm = alg::SHA384);
    };
    "tpm-selection", "a second bank": |scene| {
        edit(scene, |quote| {
            quote.selections.push(SelectionSpec { algorithm: alg::SHA1, pcrs: Vec::new(), size: 3 });
        });
    };
    "tpm-selection", "more registers than the policy names", of raw_named: |scene| {
        scene.guest.selection = SelectionSpec::sha256(&backend_gcp::V1_PCRS);
        scene.guest.selection.pcrs.push(15);
    };
    "pcr-values", "one value too few": |scene| scene.edit = |evidence| _ = evidence.pcrs.pop();
    "pcr-digest", "another value of PCR14": |scene| scene.edit = |evidence| evidence.pcrs[9][0] ^= 1;
    "pcr-digest", "two values in each other's place": |scene| scene.edit = |evidence| evidence.pcrs.swap(2, 3);
    "vtpm-technology", "the vTPM of a VM without a TEE": |scene| scene.guest.boot = guest::boot(0);
    "vtpm-technology", "the vTPM of a VM on SEV": |scene| scene.guest.boot = guest::boot(1);
    "vtpm-technology", "the vTPM of a TD beside a report of SEV-SNP": |scene| scene.guest.boot = guest::boot(3);
    "vtpm-technology", "the vTPM of a VM on SEV-SNP beside a TD quote", of tdx_by_pcrs: |scene| {
        scene.guest.boot = guest::boot(4);
    };
    "vtpm-technology", "other firmware than Google's": |scene| scene.guest.boot.events[0].data.push(0);
    "vtpm-technology", "a version of Google's firmware that the policy does not list": |scene| {
        gcp(scene, "firmware-versions = [1]");
    };
}

/// A TD whose image is known by the vTPM's registers.
pub(crate) fn tdx_by_pcrs() -> Scene {
    Scene::of(guest::Guest::tdx())
}

/// What dstack sends.
pub(crate) fn dstack() -> Scene {
    Scene { profile: Profile::Dstack, ..Scene::tdx() }
}

/// What another tool made: one nonce in both halves.
pub(crate) fn raw() -> Scene {
    let mut scene = Scene { profile: Profile::Raw, ..Scene::snp() };
    scene.guest.selection =
        SelectionSpec::sha256(&std::array::from_fn::<u8, 24, _>(|pcr| pcr.try_into().unwrap()));
    scene.asked = [0; 64];
    scene.asked[..32].fill(0xC4);
    scene.challenge = scene.asked;
    scene.policy = "[backend.gcp.raw]\n".to_owned();
    scene.top = "danger-accept-asserted = true";
    scene
}

/// The same, and a relying party that names each field.
pub(crate) fn raw_named() -> Scene {
    let mut scene = raw();
    scene.challenge = [0x11; 64];
    scene.guest.selection = SelectionSpec::sha256(&backend_gcp::V1_PCRS);
    scene.policy = format!(
        "[backend.gcp.raw]\nreport-data = \"{}\"\nextra-data = \"{}\"\npcrs = {:?}\n",
        hex::encode(scene.asked),
        "c4".repeat(32),
        backend_gcp::V1_PCRS
    );
    scene
}
