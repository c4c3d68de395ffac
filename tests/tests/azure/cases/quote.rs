//! The quote of the vTPM: form, signature, freshness, selection, values.

use super::*;

cases! {
    "tpm-quote-format", "a structure that no TPM made": |scene| edit(scene, |quote| quote.magic = 0xFF54_4348);
    "tpm-quote-format", "a certification of a key, and no quote": |scene| edit(scene, |quote| quote.kind = 0x8017);
    "tpm-quote-format", "a byte behind the quote": |scene| edit(scene, |quote| quote.after = vec![0]);
    "tpm-quote-format", "a flag that is neither yes nor no": |scene| edit(scene, |quote| quote.clock_info.3 = 2);
    "tpm-quote-format", "a bank of a hash that is not known": |scene| edit(scene, |quote| quote.selections[0].algorithm = 0x0027);
    "tpm-quote-format", "a selection of four bytes": |scene| edit(scene, |quote| quote.selections[0].size = 4);
    "tpm-quote-format", "a quote that ends early": |scene| scene.edit = |evidence| _ = evidence.quote.pop();
    "tpm-quote-format", "a quote that is larger than any": |scene| scene.edit = |evidence| evidence.quote.resize(1025, 0);
    "tpm-quote-format", "a byte behind the signature": |scene| scene.edit = |evidence| evidence.signature.push(0);
    "tpm-quote-format", "a signature over SHA-1": |scene| scene.edit = |evidence| evidence.signature[3] = 4;
    "tpm-quote-format", "a signature of another scheme": |scene| scene.edit = |evidence| evidence.signature[1] = 0x1A;
    "tpm-quote-signature", "another key's signature": |scene| {
        scene.edit = |evidence| {
            let quote = evidence.quote.to_vec();
            evidence.signature = lab::tpm::rsassa_sha256(&Guest::other_ak(), &quote).into();
        };
    };
    "tpm-quote-signature", "a quote that was changed after signing": |scene| {
        scene.edit = |evidence| *evidence.quote.last_mut().unwrap() ^= 1;
    };
    "tpm-quote-signature", "a signature that says it were PSS": |scene| scene.edit = |evidence| evidence.signature[1] = 0x16;
    "tpm-quote-signature", "a signature that says it were over SHA-384": |scene| {
        scene.edit = |evidence| evidence.signature[3] = 0x0C;
    };
    "tpm-extra-data", "another challenge": |scene| scene.challenge[63] ^= 1;
    "tpm-extra-data", "the quote of another challenge": |scene| scene.asked[0] ^= 1;
    "tpm-extra-data", "the bare challenge": |scene| edit(scene, |quote| quote.extra_data = vec![0xC4; 64]);
    "tpm-extra-data", "the quote of another report of the same paravisor": |scene| {
        scene.edit = |evidence| evidence.hcl_report[12] = 1;
    };
    "tpm-extra-data", "a shorter nonce than the one that was asked for", of coco: |scene| {
        edit(scene, |quote| { quote.extra_data.truncate(31); });
    };
    "tpm-extra-data", "a longer nonce than any", of coco: |scene| edit(scene, |quote| quote.extra_data.resize(65, 0));
    "tpm-extra-data", "no nonce, for a challenge of zeros", of coco_of_zeros: |scene| {
        edit(scene, |quote| quote.extra_data.clear());
    };
    "tpm-selection", "fewer registers than the profile has", of coco: |scene| _ = scene.guest.selection.pcrs.pop();
    "tpm-selection", "the registers that the policy names for another profile", of coco: |scene| {
        scene.policy = "[backend.azure.raw]\npcrs = [2, 4, 7, 8, 9, 11, 12, 13, 14]\n".to_owned();
        scene.guest.selection = SelectionSpec::sha256(&[2, 4, 7, 8, 9, 11, 12, 13, 14]);
    };
    "tpm-extra-data", "another nonce", of raw: |scene| edit(scene, |quote| quote.extra_data[0] ^= 1);
    "tpm-selection", "the profile raw, and no word of it in the policy", of raw: |scene| scene.policy.clear();
    "tpm-selection", "more registers than the policy names", of raw_pcrs: |scene| all_registers(scene);
    "tpm-selection", "PCR16 in the place of PCR4": |scene| {
        // An attacker extended PCR16 as a good boot extends PCR4. The values hash to what the TPM signed.
        let good = scene.guest.pcr(4);
        scene.guest.pcrs.push((16, good));
        let pcrs = backend_azure::V1_PCRS.map(|pcr| if pcr == 4 { 16 } else { pcr });
        scene.guest.selection.pcrs = pcrs.to_vec();
    };
    "tpm-selection", "one register more": |scene| scene.guest.selection.pcrs.push(23);
    "tpm-selection", "one register fewer": |scene| _ = scene.guest.selection.pcrs.pop();
    "tpm-selection", "the same registers of another bank": |scene| {
        edit(scene, |quote| quote.selections[0].algorithm = alg::SHA384);
    };
    "tpm-selection", "a second bank": |scene| {
        edit(scene, |quote| {
            quote.selections.push(SelectionSpec { algorithm: alg::SHA1, pcrs: Vec::new(), size: 3 });
        });
    };
    "tpm-selection", "no register": |scene| edit(scene, |quote| quote.selections.clear());
    "pcr-values", "a value of a register that was not quoted": |scene| {
        scene.edit = |evidence| evidence.pcrs.push(vec![0; 32].into());
    };
    "pcr-values", "one value too few": |scene| scene.edit = |evidence| _ = evidence.pcrs.pop();
    "pcr-values", "two values at other lengths, with the same bytes": |scene| {
        // What is hashed is the same; which byte is whose is not.
        scene.edit = |evidence| {
            let byte = evidence.pcrs[0].pop().unwrap();
            evidence.pcrs[1].insert(0, byte);
        };
    };
    "pcr-digest", "another value of PCR14": |scene| scene.edit = |evidence| evidence.pcrs[9][0] ^= 1;
    "pcr-digest", "two values in each other's place": |scene| scene.edit = |evidence| evidence.pcrs.swap(2, 3);
    "ak-template", "a key that is not restricted": |scene| {
        edit(scene, |quote| quote.qualified_signer = signer(0x0004_0472));
    };
    "ak-template", "a key of the owner's hierarchy": |scene| edit(scene, |quote| quote.qualified_signer[5] ^= 1);
    "ak-template", "no signer": |scene| edit(scene, |quote| quote.qualified_signer.clear());
    "user-data", "a report of the paravisor for another challenge": |scene| {
        scene.guest.runtime_data.user_data = None;
        scene.guest.runtime_data.appended = format!(r#","user-data":"{}""#, "C5".repeat(64));
    };
    "user-data", "a report of the paravisor without user-data": |scene| scene.guest.runtime_data.user_data = None;
    "user-data", "other user-data than the policy names", of raw: |scene| {
        scene.policy = RAW.replace("C4C4\"", "C4C5\"");
    };
}

pub(crate) const RAW: &str = concat!(
    "[backend.azure.raw]\nuser-data = \"",
    "C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4",
    "C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4C4\"\n"
);

/// Every register of a TPM, as other tools quote it.
fn all_registers(scene: &mut Scene) {
    scene.guest.selection =
        SelectionSpec::sha256(&std::array::from_fn::<u8, 24, _>(|pcr| pcr.try_into().unwrap()));
}

/// What the attesters of Confidential Containers send: the nonce is what the quote says.
pub(crate) fn coco() -> Scene {
    let mut scene = Scene::snp();
    scene.media_type = Some(media_type(Tee::Snp, Profile::Coco));
    all_registers(&mut scene);
    scene.asked = [0; 64];
    scene.asked[..32].fill(0xC4);
    scene.challenge = scene.asked;
    edit(&mut scene, |quote| quote.extra_data = vec![0xC4; 32]);
    scene
}

/// The same for a challenge of which nothing but zeros is left.
fn coco_of_zeros() -> Scene {
    let mut scene = coco();
    scene.challenge = [0; 64];
    edit(&mut scene, |quote| quote.extra_data = vec![0; 32]);
    scene
}

/// What another tool made, and a relying party that knows what its fields must hold.
pub(crate) fn raw() -> Scene {
    let mut scene = Scene::snp();
    scene.media_type = Some(media_type(Tee::Snp, Profile::Raw));
    all_registers(&mut scene);
    edit(&mut scene, |quote| quote.extra_data = b"nonce".to_vec());
    scene.challenge = [0; 64];
    scene.challenge[..5].copy_from_slice(b"nonce");
    scene.policy = RAW.to_owned();
    scene.top = "danger-accept-asserted = true";
    scene
}

/// The same of a tool that quotes few registers.
pub(crate) fn raw_pcrs() -> Scene {
    let mut scene = raw();
    scene.guest.selection = SelectionSpec::sha256(&[2, 4, 7, 8, 9, 11, 12, 13, 14]);
    scene.policy =
        RAW.replace("[backend.azure.raw]", "[backend.azure.raw]\npcrs = [2, 4, 7, 8, 9, 11, 12, 13, 14]");
    scene
}

/// Changes the quote before it is signed, after what the base changed.
fn edit(scene: &mut Scene, change: fn(&mut AttestSpec)) {
    scene.edits.push(change);
}

/// The qualified name of the guest's key with other attributes.
fn signer(attributes: u32) -> Vec<u8> {
    lab::tpm::qualified_name(&lab::tpm::ak_public(attributes, &Guest::snp().ak.modulus()))
}
