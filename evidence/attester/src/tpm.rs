//! The guest's TPM: what the clouds keep in it (NV indices, attestation keys), its PCRs, its quotes.
//!
//! Over libtss2-esys, but for a command of AWS's that it does not know. Authorizations are empty passwords, as the clouds leave them. Nothing is left loaded in
//! the TPM. Everything blocks ([`crate::device::run`]); a [`Tpm`] is `Send`. libtss2 writes what fails to
//! standard error unless the environment has `TSS2_LOG=all+NONE` when the process starts.
//!
//! Sources: TPM 2.0 Library, revision 1.59, parts 2 and 3.

mod error;
mod guest;
mod nitro;
mod pcr;
mod session;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use evidence_event_log::Bank;
use tss_esapi::attributes::NvIndexAttributes;
use tss_esapi::constants::{CapabilityType, PropertyTag};
use tss_esapi::handles::{
    KeyHandle, NvIndexHandle, NvIndexTpmHandle, ObjectHandle, PcrHandle, PersistentTpmHandle, TpmHandle,
};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::{Hierarchy, NvAuth, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    CapabilityData, Data, Digest, DigestValues, MaxNvBuffer, NvPublic, PcrSelection, PcrSelectionList,
    PcrSlot, Public, SignatureScheme,
};
use tss_esapi::tcti_ldr::DeviceConfig;
use tss_esapi::traits::{Marshall as _, UnMarshall as _};
use tss_esapi::tss2_esys::{TPMA_NV, TPMI_ALG_HASH};
use tss_esapi::{Context, TctiNameConf};

pub use error::TpmError;
use error::{UNEXPECTED, failed};
pub use guest::{RUNTIME_PCR, TpmGuest};
pub use nitro::NitroDocument;
pub use pcr::Pcr;

/// The devices, below the guest's root, the better one first: the kernel's resource manager lets several
/// processes use the TPM at the same time.
pub const DEVICES: [&str; 2] = ["dev/tpmrm0", "dev/tpm0"];

/// The attributes of an index that [`Tpm::nv_define_and_write`] defines: TPMA_NV_OWNERWRITE and
/// TPMA_NV_OWNERREAD (part 2, 13.4). Azure's paravisor reads no index that has others.
pub const NV_ATTRIBUTES: u32 = 0x0002_0002;

/// TPMA_NV_WRITTEN, which the TPM sets at the first write.
const NV_WRITTEN: u32 = 0x2000_0000;

/// The most bytes that one TPM2_NV_Read or TPM2_NV_Write moves where the TPM does not say it.
const NV_CHUNK: u32 = 512;

/// The most PCRs that one TPM2_PCR_Read returns: the length of a TPML_DIGEST (part 2, 10.9.5).
const PCRS_AT_ONCE: usize = 8;

/// How often a quote is made, if PCRs change meanwhile.
const QUOTES: u32 = 5;

/// A connection to the guest's TPM. One that broke stays broken: who wants to go on opens another.
#[derive(Debug)]
pub struct Tpm {
    context: Context,
}

/// An attestation key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// The one that is kept at this handle.
    Persistent(u32),
    /// The one that the endorsement hierarchy has for this template, TPMT_PUBLIC: the same one whenever it is made.
    Primary(&'a [u8]),
}

/// A quote, and the PCRs that it quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quoted {
    /// TPMS_ATTEST, as it was signed.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// The values of the PCRs, in ascending order of their index.
    pub pcrs: Vec<Vec<u8>>,
    /// TPMT_PUBLIC of the key that signed.
    pub public: Vec<u8>,
}

impl Tpm {
    /// The device of the guest whose file system lies below `root`: the first one of [`DEVICES`] that there
    /// is. For [`crate::device::run`], which needs a path to take its turn.
    ///
    /// # Errors
    ///
    /// [`TpmError::Missing`] where there is none.
    pub fn device(root: &Path) -> Result<PathBuf, TpmError> {
        let devices = DEVICES.map(|device| root.join(device));
        let looked_for = devices.each_ref().map(|device| device.display().to_string()).join(" nor ");
        devices.into_iter().find(|device| device.exists()).ok_or(TpmError::Missing { looked_for })
    }

    /// Opens the TPM that `tcti` names, in libtss2's words (`swtpm:host=127.0.0.1,port=2321`,
    /// `device:/dev/tpmrm0`), or else the [`Tpm::device`] below `root`.
    ///
    /// # Errors
    ///
    /// [`TpmError::Missing`], [`TpmError::Tcti`] or [`TpmError::Open`].
    pub fn open(root: &Path, tcti: Option<&str>) -> Result<Self, TpmError> {
        let (name, configuration) = match tcti {
            Some(tcti) => (tcti.to_owned(), TctiNameConf::from_str(tcti)),
            None => {
                let device = Self::device(root)?.display().to_string();
                let configuration = DeviceConfig::from_str(&device).map(TctiNameConf::Device);
                (device, configuration)
            }
        };
        let configuration = configuration.map_err(|_error| TpmError::Tcti(name.clone()))?;
        let opened = Context::new(configuration);
        let context = opened.map_err(|error| TpmError::Open { name, answer: error::words(error) })?;
        Ok(Self { context })
    }

    /// The whole of an NV index; `None` where it is not defined, or was never written. It is read from its first byte on, in order:
    /// Azure's paravisor makes its report anew when its first byte is read. By the owner if the index lets
    /// the owner read it, otherwise by the index's own authorization.
    ///
    /// # Errors
    ///
    /// [`TpmError::TooLarge`] if it has more than `limit` bytes; [`TpmError::NotReadable`];
    /// [`TpmError::Handle`]; [`TpmError::Command`].
    pub fn nv_read(&mut self, index: u32, limit: usize) -> Result<Option<Vec<u8>>, TpmError> {
        let handle = nv_handle(index)?;
        if !self.is_there(index)? {
            return Ok(None);
        }
        let most = self.nv_chunk()?;
        let read = |context: &mut Context, object: ObjectHandle| {
            let object = NvIndexHandle::from(object);
            let (size, attributes) = nv_public(context, object)?;
            if size > limit {
                return Err(TpmError::TooLarge { index, found: size, limit });
            }
            if bits(attributes)? & NV_WRITTEN == 0 {
                return Ok(None);
            }
            let by = match attributes {
                rights if rights.owner_read() => NvAuth::Owner,
                rights if rights.auth_read() => NvAuth::NvIndex(object),
                _ => return Err(TpmError::NotReadable { index, attributes: bits(attributes)? }),
            };
            let mut data = Vec::new();
            while let Some(left) = size.checked_sub(data.len()).filter(|left| *left > 0) {
                let (len, offset) = (word(left.min(most.into()), "NV data")?, word(data.len(), "NV data")?);
                let read = context.execute_with_session(Some(AuthSession::Password), |context| {
                    context.nv_read(by, object, len, offset)
                });
                let chunk = read.map_err(failed("TPM2_NV_Read"))?;
                if chunk.len() != usize::from(len) {
                    return Err(TpmError::Command { command: "TPM2_NV_Read", answer: UNEXPECTED.to_owned() });
                }
                data.extend_from_slice(&chunk);
            }
            Ok(Some(data))
        };
        self.with(handle.into(), "TPM2_NV_ReadPublic", read)
    }

    /// Whether an NV index is defined. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`TpmError::Handle`], [`TpmError::Command`].
    pub fn nv_exists(&mut self, index: u32) -> Result<bool, TpmError> {
        nv_handle(index)?;
        self.is_there(index)
    }

    /// Writes `data` to an NV index by the owner. Where there is no such index, defines it first: of the
    /// length of `data`, with [`NV_ATTRIBUTES`], nameAlg SHA-256, no policy and an empty authorization.
    ///
    /// # Errors
    ///
    /// [`TpmError::OtherIndex`] if it is there with another size or other attributes: nothing is written or
    /// deleted then. [`TpmError::TooLong`] for data that no index holds; [`TpmError::Handle`];
    /// [`TpmError::Command`].
    pub fn nv_define_and_write(&mut self, index: u32, data: &[u8]) -> Result<(), TpmError> {
        let handle = nv_handle(index)?;
        word(data.len(), "NV data")?;
        if !self.is_there(index)? {
            self.nv_define(handle, data.len())?;
        }
        let most = self.nv_chunk()?;
        let write = |context: &mut Context, object: ObjectHandle| {
            let object = NvIndexHandle::from(object);
            let (found_size, attributes) = nv_public(context, object)?;
            let found_attributes = bits(attributes)? & !NV_WRITTEN;
            if (found_size, found_attributes) != (data.len(), NV_ATTRIBUTES) {
                let expected_size = data.len();
                return Err(TpmError::OtherIndex { index, expected_size, found_size, found_attributes });
            }
            let mut written = 0_usize;
            for chunk in data.chunks(most.into()) {
                let offset = word(written, "NV data")?;
                let chunk = MaxNvBuffer::try_from(chunk).map_err(failed("TPM2_NV_Write"))?;
                written = written.saturating_add(chunk.len());
                let wrote = context.execute_with_session(Some(AuthSession::Password), |context| {
                    context.nv_write(NvAuth::Owner, object, chunk, offset)
                });
                wrote.map_err(failed("TPM2_NV_Write"))?;
            }
            Ok(())
        };
        self.with(handle.into(), "TPM2_NV_ReadPublic", write)
    }

    /// The public area of a key: TPMT_PUBLIC, big-endian as the TPM sends it, without the size of a TPM2B before it.
    ///
    /// # Errors
    ///
    /// [`TpmError::NoKey`] where there is none; [`TpmError::Template`]; [`TpmError::Handle`]; [`TpmError::Command`].
    pub fn public(&mut self, key: Key<'_>) -> Result<Vec<u8>, TpmError> {
        self.with_key(key, Self::public_of)
    }

    /// The algorithm (TPM_ALG_ID, TCG Algorithm Registry) of each PCR bank that has PCRs.
    ///
    /// # Errors
    ///
    /// [`TpmError::Command`].
    pub fn banks(&mut self) -> Result<Vec<u16>, TpmError> {
        Ok(self.allocated()?.iter().map(|bank| TPMI_ALG_HASH::from(bank.hashing_algorithm())).collect())
    }

    /// The values of `pcrs` in one bank, in ascending order of their index, each once.
    ///
    /// # Errors
    ///
    /// [`TpmError::NotAllocated`] if the bank has not all of them; [`TpmError::Command`].
    pub fn pcr_read(&mut self, bank: Bank, pcrs: &[u8]) -> Result<Vec<Vec<u8>>, TpmError> {
        let mut left: BTreeSet<u8> = pcrs.iter().copied().collect();
        let mut values = BTreeMap::new();
        while let Some(pcr) = left.first().copied() {
            let not_allocated = TpmError::NotAllocated { bank, pcr };
            let asked: Vec<u8> = left.iter().copied().take(PCRS_AT_ONCE).collect();
            let read = self.context.pcr_read(selection(bank, &asked)?);
            let (_counter, answered, digests) = read.map_err(failed("TPM2_PCR_Read"))?;
            let is_answered = |pcr: &u8| {
                let of_bank = |list: &&PcrSelection| list.hashing_algorithm() == algorithm(bank);
                slot(*pcr).is_some_and(|slot| {
                    answered.get_selections().iter().filter(of_bank).any(|list| list.is_selected(slot))
                })
            };
            let answered: Vec<u8> = asked.into_iter().filter(is_answered).collect();
            if answered.is_empty() {
                return Err(not_allocated);
            }
            let size = bank.algorithm().size();
            let whole = digests.value().iter().all(|digest| digest.len() == size);
            if digests.len() != answered.len() || !whole {
                return Err(TpmError::Command { command: "TPM2_PCR_Read", answer: UNEXPECTED.to_owned() });
            }
            for (pcr, digest) in answered.into_iter().zip(digests.value()) {
                left.remove(&pcr);
                values.insert(pcr, digest.value().to_vec());
            }
        }
        Ok(values.into_values().collect())
    }

    /// Quotes `pcrs` of one bank with `key`, by the key's own scheme. `extra_data` is what the quote commits to: at most 64 bytes, on
    /// Azure 50. The PCRs are read before and after, and the quote is made again if they differ.
    ///
    /// # Errors
    ///
    /// [`TpmError::PcrsChange`] if they differed five times; [`TpmError::TooLong`], [`TpmError::NoKey`], [`TpmError::Template`],
    /// [`TpmError::NotAllocated`], [`TpmError::Handle`], [`TpmError::Command`].
    pub fn quote(
        &mut self,
        key: Key<'_>,
        extra_data: &[u8],
        bank: Bank,
        pcrs: &[u8],
    ) -> Result<Quoted, TpmError> {
        let too_long = |_error| {
            let (what, found, most) = ("extra data", extra_data.len(), Data::MAX_SIZE);
            TpmError::TooLong { what, found, most }
        };
        let extra_data = Data::try_from(extra_data).map_err(too_long)?;
        self.with_key(key, |tpm, key| {
            let mut before = tpm.pcr_read(bank, pcrs)?;
            for _quote in 0..QUOTES {
                let (extra_data, selection) = (extra_data.clone(), selection(bank, pcrs)?);
                let quoted = tpm.context.execute_with_session(Some(AuthSession::Password), |context| {
                    context.quote(key, extra_data, SignatureScheme::Null, selection)
                });
                let (attest, signature) = quoted.map_err(failed("TPM2_Quote"))?;
                let bytes = attest.marshall().and_then(|attest| Ok((attest, signature.marshall()?)));
                let (attest, signature) = bytes.map_err(failed("TPM2_Quote"))?;
                let after = tpm.pcr_read(bank, pcrs)?;
                // But for a reset no PCR has a value twice: what is the same before and after was it meanwhile.
                if before == after {
                    let public = tpm.public_of(key)?;
                    return Ok(Quoted { attest, signature, pcrs: after, public });
                }
                before = after;
            }
            Err(TpmError::PcrsChange { quotes: QUOTES })
        })
    }

    /// One TPM2_PCR_Extend.
    fn pcr_extend(&mut self, pcr: u8, digests: &[(HashingAlgorithm, Vec<u8>)]) -> Result<(), TpmError> {
        let failed = failed("TPM2_PCR_Extend");
        let mut values = DigestValues::new();
        for (algorithm, digest) in digests {
            values.set(*algorithm, Digest::try_from(digest.clone()).map_err(failed)?);
        }
        let handle = PcrHandle::try_from(u32::from(pcr)).map_err(failed)?;
        let session = Some(AuthSession::Password);
        let extended =
            self.context.execute_with_session(session, |context| context.pcr_extend(handle, values));
        extended.map_err(failed)
    }

    /// The banks that have PCRs, and which.
    fn allocated(&mut self) -> Result<Vec<PcrSelection>, TpmError> {
        match self.capability(CapabilityType::AssignedPcr, 0, PcrSelectionList::MAX_SIZE)? {
            CapabilityData::AssignedPcr(banks) => {
                let banks = banks.get_selections().iter();
                Ok(banks.filter(|bank| !bank.is_empty()).copied().collect())
            }
            _ => Err(unexpected_capability()),
        }
    }

    /// Whether there is an object or index at `handle`. Asking for it by its handle would do, but for what
    /// libtss2 then writes to standard error.
    fn is_there(&mut self, handle: u32) -> Result<bool, TpmError> {
        match self.capability(CapabilityType::Handles, handle, 1)? {
            CapabilityData::Handles(list) => {
                Ok(list.into_inner().first().is_some_and(|found| u32::from(*found) == handle))
            }
            _ => Err(unexpected_capability()),
        }
    }

    /// The most bytes that one command reads from or writes to an NV index.
    fn nv_chunk(&mut self) -> Result<u16, TpmError> {
        // This property alone: newer TPMs have later ones that the library does not know.
        let said = match self.capability(CapabilityType::TpmProperties, PropertyTag::NvBufferMax.into(), 1)? {
            CapabilityData::TpmProperties(list) => {
                list.find(PropertyTag::NvBufferMax).map(|said| said.value())
            }
            _ => return Err(unexpected_capability()),
        };
        let most = usize::try_from(said.unwrap_or(NV_CHUNK)).unwrap_or(usize::MAX);
        word(most.clamp(1, MaxNvBuffer::MAX_SIZE), "NV data")
    }

    fn capability(
        &mut self,
        of: CapabilityType,
        first: u32,
        count: usize,
    ) -> Result<CapabilityData, TpmError> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let got = self.context.get_capability(of, first, count);
        got.map(|(data, _more)| data).map_err(failed("TPM2_GetCapability"))
    }

    fn nv_define(&mut self, index: NvIndexTpmHandle, size: usize) -> Result<(), TpmError> {
        let failed = failed("TPM2_NV_DefineSpace");
        let attributes = NvIndexAttributes::try_from(NV_ATTRIBUTES).map_err(failed)?;
        let public = NvPublic::builder()
            .with_nv_index(index)
            .with_index_name_algorithm(HashingAlgorithm::Sha256)
            .with_index_attributes(attributes)
            .with_data_area_size(size)
            .build()
            .map_err(failed)?;
        let defined = self.context.execute_with_session(Some(AuthSession::Password), |context| {
            context.nv_define_space(Provision::Owner, None, public)
        });
        let mut object = ObjectHandle::from(defined.map_err(failed)?);
        self.context.tr_close(&mut object).map_err(failed)
    }

    fn public_of(&mut self, key: KeyHandle) -> Result<Vec<u8>, TpmError> {
        let read = self.context.read_public(key);
        let (public, _name, _qualified_name) = read.map_err(failed("TPM2_ReadPublic"))?;
        public.marshall().map_err(failed("TPM2_ReadPublic"))
    }

    /// Work with a key. What was loaded for it is let go of on every path.
    fn with_key<T>(
        &mut self,
        key: Key<'_>,
        work: impl FnOnce(&mut Self, KeyHandle) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let (mut object, command) = match key {
            Key::Persistent(handle) => {
                let persistent = PersistentTpmHandle::new(handle);
                let persistent =
                    persistent.map_err(|_error| TpmError::Handle { what: "persistent key", handle })?;
                if !self.is_there(handle)? {
                    return Err(TpmError::NoKey { handle });
                }
                let object = self.context.tr_from_tpm_public(persistent.into());
                (object.map_err(failed("TPM2_ReadPublic"))?, "TPM2_ReadPublic")
            }
            Key::Primary(template) => (self.create_primary(template)?.into(), "TPM2_FlushContext"),
        };
        let done = work(self, object.into());
        let closed = match key {
            Key::Persistent(_) => self.context.tr_close(&mut object),
            Key::Primary(_) => self.context.flush_context(object),
        };
        done.and_then(|done| closed.map_err(failed(command)).map(|()| done))
    }

    fn create_primary(&mut self, template: &[u8]) -> Result<KeyHandle, TpmError> {
        let template = Public::unmarshall(template).map_err(|_error| TpmError::Template)?;
        let created = self.context.execute_with_session(Some(AuthSession::Password), |context| {
            context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
        });
        Ok(created.map_err(failed("TPM2_CreatePrimary"))?.key_handle)
    }

    /// Work with what the library keeps of an object or index, which is let go of on every path. The TPM
    /// loads nothing for it.
    fn with<T>(
        &mut self,
        handle: TpmHandle,
        command: &'static str,
        work: impl FnOnce(&mut Context, ObjectHandle) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let mut object = self.context.tr_from_tpm_public(handle).map_err(failed(command))?;
        let done = work(&mut self.context, object);
        let closed = self.context.tr_close(&mut object).map_err(failed(command));
        done.and_then(|done| closed.map(|()| done))
    }
}

fn nv_handle(index: u32) -> Result<NvIndexTpmHandle, TpmError> {
    let handle = NvIndexTpmHandle::new(index);
    handle.map_err(|_error| TpmError::Handle { what: "NV index", handle: index })
}

/// Size in bytes and attributes.
fn nv_public(context: &mut Context, index: NvIndexHandle) -> Result<(usize, NvIndexAttributes), TpmError> {
    let (public, _name) = context.nv_read_public(index).map_err(failed("TPM2_NV_ReadPublic"))?;
    Ok((public.data_size(), public.attributes()))
}

fn bits(attributes: NvIndexAttributes) -> Result<u32, TpmError> {
    TPMA_NV::try_from(attributes).map_err(failed("TPM2_NV_ReadPublic"))
}

/// A length or offset in a command.
fn word(len: usize, what: &'static str) -> Result<u16, TpmError> {
    let too_long = |_error| TpmError::TooLong { what, found: len, most: u16::MAX.into() };
    u16::try_from(len).map_err(too_long)
}

fn unexpected_capability() -> TpmError {
    TpmError::Command { command: "TPM2_GetCapability", answer: UNEXPECTED.to_owned() }
}

const fn algorithm(bank: Bank) -> HashingAlgorithm {
    match bank {
        Bank::Sha256 => HashingAlgorithm::Sha256,
        Bank::Sha384 => HashingAlgorithm::Sha384,
        Bank::Sha512 => HashingAlgorithm::Sha512,
    }
}

/// PCR `pcr` in a selection.
fn slot(pcr: u8) -> Option<PcrSlot> {
    PcrSlot::try_from(1_u32.checked_shl(pcr.into())?).ok()
}

/// A selection of one bank.
fn selection(bank: Bank, pcrs: &[u8]) -> Result<PcrSelectionList, TpmError> {
    let slots: Result<Vec<PcrSlot>, TpmError> =
        pcrs.iter().map(|pcr| slot(*pcr).ok_or(TpmError::NotAllocated { bank, pcr: *pcr })).collect();
    let list = PcrSelectionList::builder().with_selection(algorithm(bank), &slots?).build();
    // A selection has 24 bits: no TPM of a PC has more PCRs.
    let beyond = pcrs.iter().copied().max().unwrap_or_default();
    list.map_err(|_error| TpmError::NotAllocated { bank, pcr: beyond })
}
