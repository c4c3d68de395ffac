//! A quote of a TPM or its signature, as the first byte says: read, and, with a digest that holds and a signature of the lab's, taken
//! through every check.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use evidence_tpm::{
    Attest, BoundAk, ExtraData, HashAlgorithm, MAX_ATTEST, MAX_SIGNATURE, Public, Signature, VerifyQuote,
};
use fuzz_targets::{azure::SNP, lies_in};
use lab::{
    azure::{
        Guest,
        guest::{AK_ATTRIBUTES, Parts},
    },
    tpm::{ak_public, rsassa_sha256},
};
use libfuzzer_sys::fuzz_target;

/// What the lab's guest hands out: registers, a quote of them, its signature.
static SOUND: LazyLock<Parts> = LazyLock::new(|| SNP.guest.parts(|_| b"challenge".to_vec()));

/// The key of another guest.
static OTHER: LazyLock<BoundAk> = LazyLock::new(|| {
    let public = Public::parse(&ak_public(AK_ATTRIBUTES, &Guest::other_ak().modulus()));
    BoundAk::assertion(public.expect("a sound key").key)
});

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'a', data)) => attest(data),
        Some((b's', data)) => signature(data),
        _ => {}
    }
});

fn attest(data: &[u8]) {
    let Ok(attest) = Attest::parse(data) else { return };
    assert!(data.len() <= MAX_ATTEST);
    for part in [attest.qualified_signer, attest.extra_data, attest.pcr_digest] {
        assert!(lies_in(part, data), "what is read lies in the quote");
    }
    assert_eq!(written(&attest), data, "a quote has one encoding");
    if attest.pcr_digest.len() != 32 {
        return;
    }
    // A digest of registers that are all zero, so that only the signature is left to make.
    let registers = attest.selections.iter().flat_map(|of| of.pcrs().map(|_| of.algorithm));
    let values: Vec<Vec<u8>> = registers.map(|algorithm| vec![0; algorithm.size()]).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let (fields, _) = data.split_at(data.len() - 32);
    let quote = [fields, digest(&SHA256, &values.concat()).as_ref()].concat();
    let signature = rsassa_sha256(&SNP.guest.ak, &quote);
    let input = VerifyQuote {
        attest: &quote,
        signature: &signature,
        pcrs: &values,
        ak: &SNP.ak,
        extra_data: ExtraData::Exactly(attest.extra_data),
        selections: &attest.selections,
    };
    let verified = input.verify().expect("a sound quote is verified");
    assert_eq!(verified.pcrs().iter().count(), values.len());
    assert_eq!(verified.qualified_signer(), attest.qualified_signer);

    let longer = [attest.extra_data, b"x"].concat();
    let others = [
        VerifyQuote { ak: &OTHER, ..input },
        VerifyQuote { extra_data: ExtraData::Exactly(&longer), ..input },
        VerifyQuote { selections: &[], ..input },
        VerifyQuote { pcrs: values.split_last().map_or(&[], |(_, values)| values), ..input },
    ];
    for (index, other) in others.into_iter().enumerate() {
        let same = attest.selections.is_empty() && index == 2 || values.is_empty() && index == 3;
        assert!(same || other.verify().is_err(), "change {index} is noticed");
    }
    let mut padded = [0; 64];
    let Some(beginning) = padded.get_mut(..attest.extra_data.len()) else { return };
    beginning.copy_from_slice(attest.extra_data);
    let padded = VerifyQuote { extra_data: ExtraData::BeginningOf(&padded), ..input };
    assert_eq!(
        padded.verify().is_ok(),
        !attest.extra_data.is_empty(),
        "zeros may be left out, but not all of it"
    );
}

fn signature(data: &[u8]) {
    let Parts { pcrs, quote, signature: sound, .. } = &*SOUND;
    if let Ok(wrapped) = Signature::rsassa_sha256(data) {
        assert!(wrapped.len() <= MAX_SIGNATURE && wrapped.ends_with(data));
        assert!(Signature::parse(&wrapped).is_ok(), "what is written is read");
    }
    let parsed = Signature::parse(data);
    let pcrs: Vec<&[u8]> = pcrs.iter().map(Vec::as_slice).collect();
    let selections = Attest::parse(quote).expect("a sound quote").selections;
    let verified = VerifyQuote {
        attest: quote,
        signature: data,
        pcrs: &pcrs,
        ak: &SNP.ak,
        extra_data: ExtraData::Exactly(b"challenge"),
        selections: &selections,
    }
    .verify();
    assert!(parsed.is_ok() || verified.is_err());
    assert_eq!(verified.is_ok(), data == sound, "there is one signature");
}

/// The quote of these fields.
fn written(attest: &Attest<'_>) -> Vec<u8> {
    let sized =
        |bytes: &[u8]| [&u16::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat();
    let clock = attest.clock_info;
    let count = u32::try_from(attest.selections.len()).expect("a few banks");
    assert!(attest.selections.len() <= HashAlgorithm::ALL.len());
    let selections = attest.selections.iter().flat_map(|of| {
        let mut bits = [0; 3];
        of.pcrs().for_each(|pcr| bits[usize::from(pcr / 8)] |= 1 << (pcr % 8));
        [&of.algorithm.id().to_be_bytes()[..], &[3], &bits].concat()
    });
    [
        &[0xFF, b'T', b'C', b'G', 0x80, 0x18][..],
        &sized(attest.qualified_signer),
        &sized(attest.extra_data),
        &clock.clock.to_be_bytes(),
        &clock.reset_count.to_be_bytes(),
        &clock.restart_count.to_be_bytes(),
        &[u8::from(clock.safe)],
        &attest.firmware_version.to_be_bytes(),
        &count.to_be_bytes(),
        &selections.collect::<Vec<u8>>(),
        &sized(attest.pcr_digest),
    ]
    .concat()
}
