//! Evidence that is refused.

use crate::{Forgery, Outcome, Subject, judge::judge};

/// Every forgery is refused by the check and with the kind that it states.
///
/// # Errors
///
/// The first forgery that was judged otherwise.
pub fn forgeries_fail_their_check(subject: &dyn Subject) -> Outcome {
    let backend = subject.backend();
    let descriptor = backend.descriptor();
    let forgeries = subject.negative();
    ensure!(!forgeries.is_empty(), "there is no forgery");
    for Forgery { case, expect } in forgeries {
        let name = &case.name;
        let declared = descriptor.checks().any(|info| info.check.name() == expect.check);
        ensure!(declared, "{name}: {} is not a declared check", expect.check);
        let error = judge(backend, &case).refused(name)?;
        let found = error.check().map(backend_api::Check::name);
        ensure!(
            found == Some(expect.check),
            "{name}: expected the check {} to fail, found {error}",
            expect.check
        );
        ensure!(error.kind() == expect.kind, "{name}: expected {:?}, found {:?}", expect.kind, error.kind());
    }
    Ok(())
}
