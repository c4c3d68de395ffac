//! Pins: which certificates are roots.

use std::borrow::Cow;

use aws_lc_rs::digest::{Context, SHA256};

use crate::Certificate;

/// A trust anchor: who a certificate is for, and which key it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pin {
    /// The subject's common name.
    pub subject: Cow<'static, str>,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
}

impl Pin {
    /// A pin from 64 lower-case hex digits. A mistyped one does not compile.
    ///
    /// # Panics
    ///
    /// For anything else, which a constant is not.
    #[expect(clippy::indexing_slicing, clippy::panic, reason = "evaluated by the compiler, over constants")]
    pub const fn from_hex(subject: &'static str, spki_sha256: &[u8; 64]) -> Self {
        const fn digit(digit: u8) -> u8 {
            match digit {
                b'0'..=b'9' => digit.wrapping_sub(b'0'),
                b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
                _ => panic!("expected lower-case hex digits"),
            }
        }
        let (pairs, _) = spki_sha256.as_chunks::<2>();
        let mut bytes = [0; 32];
        let mut at = 0;
        while at < bytes.len() {
            let [high, low] = pairs[at];
            bytes[at] = digit(high) << 4 | digit(low);
            at = at.wrapping_add(1);
        }
        Self { subject: Cow::Borrowed(subject), spki_sha256: bytes }
    }

    /// Whether `certificate` is the one that is pinned.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        !self.subject.is_empty()
            && self.subject == certificate.subject()
            && self.spki_sha256 == certificate.spki_sha256()
    }
}

/// From the common name of a subject, and SHA-256 of the DER SubjectPublicKeyInfo.
impl<S: Into<Cow<'static, str>>> FromIterator<(S, [u8; 32])> for Anchors {
    fn from_iter<I: IntoIterator<Item = (S, [u8; 32])>>(pins: I) -> Self {
        Self::new(pins.into_iter().map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 }))
    }
}

/// The trust anchors of one verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors {
    pins: Vec<Pin>,
    digest: [u8; 32],
}

impl Anchors {
    /// A vendor's, or others such as those of a test laboratory.
    pub fn new(pins: impl IntoIterator<Item = Pin>) -> Self {
        let pins: Vec<Pin> = pins.into_iter().collect();
        let mut context = Context::new(&SHA256);
        for pin in &pins {
            context.update(pin.subject.as_bytes());
            context.update(&[0]);
            context.update(&pin.spki_sha256);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self { pins, digest }
    }

    /// Whether `certificate` is pinned, under the common name `subject`.
    pub fn pins(&self, subject: &str, certificate: &Certificate) -> bool {
        self.pins.iter().any(|pin| pin.subject == subject && pin.matches(certificate))
    }

    /// SHA-256 over the pins: two sets with one digest are one set.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}
