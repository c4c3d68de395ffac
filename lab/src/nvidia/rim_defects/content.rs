//! Manifests that are soundly signed, and none of NVIDIA's.

use super::{Case, made};
use crate::nvidia::rim::{Attributes, RimSpec, remove, set};

pub(super) fn cases() -> Vec<Case> {
    const CHECK: &str = "rim-content";
    let of = |name, edit: &dyn Fn(&mut RimSpec)| made(name, CHECK, |spec| edit(spec));
    let resource =
        |name, edit: &dyn Fn(&mut Attributes)| made(name, CHECK, |spec| edit(&mut spec.resources[2]));
    let full = "66".repeat(48);
    let again = format!(
        "<ns0:Resource active=\"True\" alternatives=\"1\" index=\"2\" name=\"a\" size=\"48\" type=\"Measurement\" \
         ns2:Hash0=\"{full}\"></ns0:Resource>"
    );
    let with = |element: &str| element.to_owned();
    vec![
        of("an attribute of the tag that is not known", &|spec| set(&mut spec.identity, "extra", "a")),
        of("a supplemental tag", &|spec| set(&mut spec.identity, "supplemental", "true")),
        of("a patch", &|spec| set(&mut spec.identity, "patch", "true")),
        of("a corpus", &|spec| set(&mut spec.identity, "corpus", "true")),
        of("a name that is not the product", &|spec| set(&mut spec.identity, "name", "GB100")),
        of("a model that is not the product", &|spec| set(&mut spec.meta, "ns1:PlatformModel", "GB100")),
        of("no name", &|spec| remove(&mut spec.identity, "name")),
        of("a short tagId", &|spec| set(&mut spec.identity, "tagId", "5e")),
        of("a tagVersion that is no number", &|spec| set(&mut spec.identity, "tagVersion", "00")),
        of("another creator", &|spec| set(&mut spec.entity, "name", "Somebody")),
        of("another role", &|spec| set(&mut spec.entity, "role", "tagCreator")),
        of("another edition", &|spec| set(&mut spec.meta, "edition", "CPU")),
        of("no version", &|spec| set(&mut spec.meta, "colloquialVersion", "")),
        of("another manufacturer", &|spec| set(&mut spec.meta, "ns1:FirmwareManufacturerId", "5704")),
        of("another manufacturer of the platform", &|spec| {
            set(&mut spec.meta, "ns1:PlatformManufacturerId", "5704")
        }),
        of("another binding", &|spec| set(&mut spec.meta, "ns1:BindingSpec", "PC")),
        of("an indirect payload", &|spec| set(&mut spec.meta, "PayloadType", "indirect")),
        of("an attribute of Meta that is not known", &|spec| set(&mut spec.meta, "ns1:RIMLinkHash", "5e")),
        of("an attribute of the payload", &|spec| set(&mut spec.payload, "a", "b")),
        of("a second payload", &|spec| spec.in_identity = with("<ns0:Payload></ns0:Payload>")),
        of("a link", &|spec| spec.in_identity = with("<ns0:Link></ns0:Link>")),
        of("text in the payload", &|spec| spec.in_payload = with("a")),
        of("another element in the payload", &|spec| {
            spec.in_payload = with("<ns0:Directory></ns0:Directory>")
        }),
        of("a measurement in another element", &|spec| {
            spec.in_payload = format!("<ns0:Directory>{again}</ns0:Directory>");
        }),
        of("an index twice", &|spec| spec.in_payload = again.clone()),
        of("no measurement", &|spec| spec.resources.clear()),
        of("no active measurement", &|spec| {
            spec.resources.iter_mut().for_each(|resource| set(resource, "active", "False"));
        }),
        resource("a name twice", &|resource| set(resource, "name", "Measurement_3")),
        resource("an index that is too high", &|resource| set(resource, "index", "64")),
        resource("an index with a zero before it", &|resource| set(resource, "index", "02")),
        resource("another type", &|resource| set(resource, "type", "File")),
        resource("another size", &|resource| set(resource, "size", "32")),
        resource("another word for active", &|resource| set(resource, "active", "true")),
        resource("no alternatives", &|resource| set(resource, "alternatives", "0")),
        resource("a digest less than alternatives", &|resource| set(resource, "alternatives", "2")),
        resource("a digest more than alternatives", &|resource| set(resource, "ns2:Hash1", &full)),
        resource("too many alternatives", &|resource| {
            set(resource, "alternatives", "17");
            (0..17).for_each(|number| set(resource, &format!("ns2:Hash{number}"), &full));
        }),
        resource("a digest of another namespace", &|resource| {
            remove(resource, "ns2:Hash0");
            set(resource, "Hash0", &full);
        }),
        resource("a short digest", &|resource| set(resource, "ns2:Hash0", "5e")),
        resource("a digest that is no hex", &|resource| set(resource, "ns2:Hash0", &"zz".repeat(48))),
        resource("an attribute that is not known", &|resource| set(resource, "mask", "ff")),
        Case { name: "another prefix of digests", refused_by: None, document: prefixed() },
    ]
}

/// Digests by the other prefix of their namespace, which the payload declares.
fn prefixed() -> String {
    let mut spec = RimSpec::new();
    for resource in &mut spec.resources {
        resource.iter_mut().for_each(|(name, _)| *name = name.replace("ns2:", "SHA384:"));
    }
    spec.sign()
}
