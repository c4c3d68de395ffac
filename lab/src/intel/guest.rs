//! A whole TDX guest: platform certificate, collateral, launch, quote.

use super::body::{BodyType, TdBody};
use super::collateral::{Collateral, CollateralSpec};
use super::hierarchy::Hierarchy;
use super::launch::Launch;
use super::pck::{Pck, PckSpec};
use super::quote::QuoteSpec;

/// A TDX guest on an up-to-date platform. Its parts agree with each other when it is made. A test then
/// changes one field, and calls [`Self::issue_pck`], [`Self::seal_collateral`] or [`Self::seal_launch`] for those
/// of the derived parts that shall follow.
///
/// All is good at 2026-06-01: authorities are valid from 2024-01-01 to 2049-01-01, the PCK certificate from
/// 2025-01-01 to 2032-01-01, CRLs and documents from 2026-01-01 to 2027-01-01.
#[derive(Debug, Clone)]
pub struct TdGuest {
    /// The certificate authorities.
    pub hierarchy: Hierarchy,
    /// What [`Self::pck`] was issued from.
    pub pck_spec: PckSpec,
    /// The PCK certificate with its chain and key, made by [`Self::issue_pck`].
    pub pck: Pck,
    /// What [`Self::collateral`] signs, made by [`Self::seal_collateral`].
    pub collateral: CollateralSpec,
    /// What was launched.
    pub launch: Launch,
    /// The quote's fields. `mrtd`, `rtmr0` to `rtmr3` and `mr_config_id` of `quote.body` are made by
    /// [`Self::seal_launch`], its `report_data` by [`Self::quote_for`].
    pub quote: QuoteSpec,
}

impl Default for TdGuest {
    fn default() -> Self {
        Self::new()
    }
}

impl TdGuest {
    /// A guest whose quotes are of version 4, on a platform certified by the Platform CA.
    #[must_use]
    pub fn new() -> Self {
        let hierarchy = Hierarchy::new();
        let pck_spec = PckSpec::default();
        let mut guest = Self {
            pck: pck_spec.issue(&hierarchy),
            collateral: CollateralSpec::of(&pck_spec, &hierarchy),
            launch: Launch::new(),
            quote: QuoteSpec::new(4, BodyType::Td10),
            pck_spec,
            hierarchy,
        };
        guest.seal_launch();
        guest
    }

    /// The same guest with quotes of another version and body.
    #[must_use]
    pub fn with_form(mut self, version: u16, body_type: BodyType) -> Self {
        self.quote = QuoteSpec { version, body_type, ..self.quote };
        self
    }

    /// Issues the PCK certificate again from [`Self::pck_spec`].
    pub fn issue_pck(&mut self) {
        self.pck = self.pck_spec.issue(&self.hierarchy);
    }

    /// Makes the collateral again for [`Self::pck_spec`], under which that platform is up to date.
    pub fn seal_collateral(&mut self) {
        self.collateral = CollateralSpec::of(&self.pck_spec, &self.hierarchy);
    }

    /// Boots [`Self::launch`]: its boot log, and MRTD, RTMR0 to RTMR3 and MRCONFIGID of the quote.
    ///
    /// # Panics
    ///
    /// If `evidence_tdx` cannot measure the launch.
    pub fn seal_launch(&mut self) {
        let body = &mut self.quote.body;
        [body.mrtd, body.rtmr0, body.rtmr1, body.rtmr2] = self.launch.boot();
        self.seal_events();
        self.quote.body.mr_config_id = self.launch.mr_config_id();
    }

    /// Extends RTMR3 by [`Launch::events`].
    pub fn seal_events(&mut self) {
        self.quote.body.rtmr3 = self.launch.rtmr3();
    }

    /// The signed quote that commits to `challenge` in REPORTDATA.
    #[must_use]
    pub fn quote_for(&self, challenge: &[u8; 64]) -> Vec<u8> {
        let body = TdBody { report_data: *challenge, ..self.quote.body.clone() };
        QuoteSpec { body, ..self.quote.clone() }.sign(&self.pck)
    }

    /// The signed collateral.
    #[must_use]
    pub fn collateral(&self) -> Collateral {
        self.collateral.sign(&self.hierarchy)
    }

    /// The root CA's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        self.hierarchy.pins()
    }
}
