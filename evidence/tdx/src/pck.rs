//! What a PCK certificate says of its platform: Intel's SGX extension (SGX PCK Certificate and CRL Profile Specification,
//! 1.3.5), read by `dcap-qvl` and held here to its form.

use const_oid::ObjectIdentifier;
use dcap_qvl::{intel::PckExtension, oids};
use der::{Decode, Reader, SliceReader, Tag, Tagged, asn1::AnyRef};

use crate::dcap;

/// The most values that the extension or its TCB has.
const MAX_VALUES: usize = 32;

/// What the extension names. `dcap-qvl` compares CPUSVN with TCB levels, Intel's specification the components: they must be
/// the same.
pub(crate) fn extension(certificate: &[u8]) -> Result<(PckExtension, [u8; 16]), String> {
    let extension = dcap::pck_extension(certificate)?;
    let found = extension.ppid.len();
    let ppid = extension.ppid.as_slice().try_into();
    let ppid = ppid.map_err(|_| format!("PPID has {found} bytes, expected 16"))?;
    let read = |error: der::Error| error.to_string();
    let values = AnyRef::from_der(&extension.raw_extension).and_then(pairs).map_err(read)?;
    let tcb = values.iter().find(|(oid, _)| *oid == oids::TCB).map(|(_, value)| *value);
    let tcb = tcb.ok_or("no TCB").map_err(str::to_owned).and_then(|tcb| pairs(tcb).map_err(read))?;
    for (component, svn) in (1..).zip(extension.cpu_svn) {
        let found =
            oids::TCB.push_arc(component).ok().and_then(|oid| tcb.iter().find(|(found, _)| *found == oid));
        let found = found.and_then(|(_, value)| value.decode_as::<u8>().ok());
        if found != Some(svn) {
            return Err(format!("TCB component {component} is not byte {component} of CPUSVN"));
        }
    }
    Ok((extension, ppid))
}

/// SEQUENCE OF SEQUENCE { OID, value }, each OID once.
fn pairs(sequence: AnyRef<'_>) -> der::Result<Vec<(ObjectIdentifier, AnyRef<'_>)>> {
    sequence.tag().assert_eq(Tag::Sequence)?;
    let mut reader = SliceReader::new(sequence.value())?;
    let mut pairs: Vec<(ObjectIdentifier, AnyRef<'_>)> = Vec::new();
    while !reader.is_finished() {
        let pair = reader
            .sequence(|pair| Ok::<_, der::Error>((ObjectIdentifier::decode(pair)?, AnyRef::decode(pair)?)))?;
        if pairs.len() == MAX_VALUES || pairs.iter().any(|(oid, _)| *oid == pair.0) {
            return Err(Tag::ObjectIdentifier.value_error().into());
        }
        pairs.push(pair);
    }
    Ok(pairs)
}
