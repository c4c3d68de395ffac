//! What a relying party asks of a report beyond its being genuine.

use std::collections::{BTreeMap, BTreeSet};

use evidence_ledger::Hex;
use serde::Deserialize;

use crate::{FirmwareVersion, GuestPolicy, PlatformInfo, Product, Tcb};

/// The appraisal policy of SEV-SNP reports. The default is what applies when a relying party says nothing.
///
/// A key that is absent leaves its check unperformed, and the ledger says so; debug guests and migration agents are refused
/// whatever the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// The virtual machine privilege level at which the report must have been requested: 0 if absent.
    pub vmpl: u32,
    /// The lowest TCB_VERSION, per product, for the reported, the committed and the launch TCB alike.
    ///
    /// With a minimum for one product, reports of a product without one are refused.
    pub minimum_tcb: Option<BTreeMap<Product, MinimumTcb>>,
    /// The lowest committed firmware version.
    pub minimum_firmware: Option<[u8; 3]>,
    /// The oldest firmware interface, major and minor, that a guest may have agreed to run on.
    pub minimum_abi: Option<(u8, u8)>,
    /// Bits of GUEST_POLICY that must be set.
    pub require_guest_policy: Option<BTreeSet<GuestPolicyBit>>,
    /// Bits of GUEST_POLICY that must not be set.
    pub forbid_guest_policy: Option<BTreeSet<GuestPolicyBit>>,
    /// Bits of PLATFORM_INFO that must be set.
    pub require_platform_info: Option<BTreeSet<PlatformInfoBit>>,
    /// Bits of PLATFORM_INFO that must not be set.
    pub forbid_platform_info: Option<BTreeSet<PlatformInfoBit>>,
    /// Mitigation bits that must be set at launch and now (report version 5).
    pub require_mitigations: Option<u64>,
    /// SHA-384 digests of ID keys, one of which must have signed the ID block.
    pub id_keys: Option<BTreeSet<Hex<48>>>,
    /// SHA-384 digests of author keys, one of which must have certified the ID key.
    pub author_keys: Option<BTreeSet<Hex<48>>>,
    /// Family ids of the ID block.
    pub family_ids: Option<BTreeSet<Hex<16>>>,
    /// Image ids of the ID block.
    pub image_ids: Option<BTreeSet<Hex<16>>>,
    /// The lowest guest security version number of the ID block.
    pub minimum_guest_svn: Option<u32>,
    /// HOST_DATA values, one of which the report must carry.
    pub host_data: Option<BTreeSet<Hex<32>>>,
    /// Cloud providers, as the CSP_ID of a VLEK names them.
    pub csp_ids: Option<BTreeSet<String>>,
    /// Refuse reports in which a field that their version reserves is set.
    pub require_reserved_zero: bool,
    /// Accept a report though it is not known whether AMD revoked an authority: for archived evidence.
    pub danger_accept_unknown_revocation: bool,
}

impl Policy {
    /// Refuses what can only be a mistake.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub fn validate(&self) -> Result<(), PolicyError> {
        fn empty<T>(list: Option<&BTreeSet<T>>) -> bool {
            list.is_some_and(BTreeSet::is_empty)
        }
        let empty = [
            ("id-keys", empty(self.id_keys.as_ref())),
            ("author-keys", empty(self.author_keys.as_ref())),
            ("family-ids", empty(self.family_ids.as_ref())),
            ("image-ids", empty(self.image_ids.as_ref())),
            ("host-data", empty(self.host_data.as_ref())),
            ("csp-ids", empty(self.csp_ids.as_ref())),
            ("require-guest-policy", empty(self.require_guest_policy.as_ref())),
            ("forbid-guest-policy", empty(self.forbid_guest_policy.as_ref())),
            ("require-platform-info", empty(self.require_platform_info.as_ref())),
            ("forbid-platform-info", empty(self.forbid_platform_info.as_ref())),
        ];
        if let Some((key, _)) = empty.into_iter().find(|(_, empty)| *empty) {
            return Err(PolicyError::EmptyList(key));
        }
        if overlap(self.require_guest_policy.as_ref(), self.forbid_guest_policy.as_ref()) {
            return Err(PolicyError::Contradiction("guest-policy"));
        }
        if overlap(self.require_platform_info.as_ref(), self.forbid_platform_info.as_ref()) {
            return Err(PolicyError::Contradiction("platform-info"));
        }
        if self.require_mitigations == Some(0) {
            return Err(PolicyError::NoMitigations);
        }
        // Anyone can sign an ID block with a key of their own.
        let block = self.family_ids.is_some() || self.image_ids.is_some() || self.minimum_guest_svn.is_some();
        if block && self.id_keys.is_none() && self.author_keys.is_none() {
            return Err(PolicyError::IdBlockWithoutKey);
        }
        for (product, floor) in self.minimum_tcb.iter().flatten() {
            if floor.fmc.is_some() != (*product == Product::Turin) {
                return Err(PolicyError::Fmc(*product));
            }
        }
        if self.minimum_tcb.as_ref().is_some_and(BTreeMap::is_empty) {
            return Err(PolicyError::EmptyList("minimum-tcb"));
        }
        let keys = [&self.id_keys, &self.author_keys];
        if keys.into_iter().flatten().any(|keys| keys.contains(&Hex([0; 48]))) {
            return Err(PolicyError::ZeroKey);
        }
        if self.vmpl > 3 {
            return Err(PolicyError::Vmpl(self.vmpl));
        }
        Ok(())
    }

    pub(crate) fn minimum_firmware(&self) -> Option<FirmwareVersion> {
        self.minimum_firmware.map(|[major, minor, build]| FirmwareVersion { major, minor, build })
    }
}

fn overlap<B: Ord>(required: Option<&BTreeSet<B>>, forbidden: Option<&BTreeSet<B>>) -> bool {
    required.zip(forbidden).is_some_and(|(required, forbidden)| !required.is_disjoint(forbidden))
}

/// A policy that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// One bit is both required and forbidden.
    #[error("a {0} bit is both required and forbidden")]
    Contradiction(&'static str),
    /// An empty list allows nothing, and it never means anything.
    #[error("the list {0} is empty: leave the key out, or list what is allowed")]
    EmptyList(&'static str),
    /// A minimum TCB has a value for FMC exactly on Turin.
    #[error("minimum-tcb of {0}: fmc is given for Turin, and for no other product")]
    Fmc(Product),
    /// What an ID block says means nothing unless its signer is named.
    #[error(
        "family-ids, image-ids and minimum-guest-svn need id-keys or author-keys: anyone can sign an ID block"
    )]
    IdBlockWithoutKey,
    /// A mask of no bits requires nothing.
    #[error("require-mitigations is 0: leave the key out, or name bits")]
    NoMitigations,
    /// Zeros stand where there is no key.
    #[error("id-keys and author-keys list digests of keys, and zeros mean that there is no key")]
    ZeroKey,
    /// There is no such privilege level.
    #[error("vmpl is {0}, expected 0 to 3")]
    Vmpl(u32),
}

/// The lowest acceptable [`Tcb`], as a policy spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MinimumTcb {
    /// Turin only.
    pub fmc: Option<u8>,
    /// Boot loader.
    pub bootloader: u8,
    /// TEE.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode.
    pub microcode: u8,
}

impl From<MinimumTcb> for Tcb {
    fn from(floor: MinimumTcb) -> Self {
        let MinimumTcb { fmc, bootloader, tee, snp, microcode } = floor;
        Self { fmc, bootloader, tee, snp, microcode }
    }
}

/// Bits of [`GuestPolicy`] that a policy can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GuestPolicyBit {
    /// MEM_AES_256_XTS.
    Aes256Xts,
    /// CIPHERTEXT_HIDING_DRAM.
    CiphertextHiding,
    /// CXL_ALLOW.
    CxlAllowed,
    /// PAGE_SWAP_DISABLE.
    PageSwapDisabled,
    /// RAPL_DIS.
    RaplDisabled,
    /// SINGLE_SOCKET.
    SingleSocket,
    /// SMT.
    SmtAllowed,
}

impl GuestPolicyBit {
    pub(crate) const fn of(self, policy: GuestPolicy) -> bool {
        match self {
            Self::Aes256Xts => policy.aes_256_xts_required(),
            Self::CiphertextHiding => policy.ciphertext_hiding_required(),
            Self::CxlAllowed => policy.cxl_allowed(),
            Self::PageSwapDisabled => policy.page_swap_disabled(),
            Self::RaplDisabled => policy.rapl_disabled_required(),
            Self::SingleSocket => policy.single_socket(),
            Self::SmtAllowed => policy.smt_allowed(),
        }
    }
}

/// Bits of [`PlatformInfo`] that a policy can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PlatformInfoBit {
    /// ALIAS_CHECK_COMPLETE.
    AliasCheckComplete,
    /// CIPHERTEXT_HIDING_DRAM_EN.
    CiphertextHiding,
    /// ECC_EN.
    Ecc,
    /// RAPL_DIS.
    RaplDisabled,
    /// SMT_EN.
    Smt,
    /// TIO_EN.
    Tio,
    /// TSME_EN.
    Tsme,
}

impl PlatformInfoBit {
    pub(crate) const fn of(self, info: PlatformInfo) -> bool {
        match self {
            Self::AliasCheckComplete => info.alias_check_complete(),
            Self::CiphertextHiding => info.ciphertext_hiding_enabled(),
            Self::Ecc => info.ecc_enabled(),
            Self::RaplDisabled => info.rapl_disabled(),
            Self::Smt => info.smt_enabled(),
            Self::Tio => info.tio_enabled(),
            Self::Tsme => info.tsme_enabled(),
        }
    }
}
