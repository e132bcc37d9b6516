//! Landlock: no file can be opened, whatever the path; no TCP, no signals to others where the kernel is new enough.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};

/// Versions whose rights differ, the newest first.
const VERSIONS: [ABI; 9] = [ABI::V9, ABI::V8, ABI::V7, ABI::V6, ABI::V5, ABI::V4, ABI::V3, ABI::V2, ABI::V1];

/// Denies the calling thread, and those it starts, every right that the kernel knows. The version in force, or zero.
///
/// Each version is asked for whole: what a kernel does not have is an error and leads to the next one, so that nothing is
/// dropped in silence.
pub(super) fn deny_all() -> u8 {
    VERSIONS.into_iter().find_map(|version| deny(version).ok().flatten()).unwrap_or(0)
}

fn deny(version: ABI) -> Result<Option<u8>, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(version))?;
    let net = AccessNet::from_all(version);
    if !net.is_empty() {
        rules = rules.handle_access(net)?;
    }
    let scopes = Scope::from_all(version);
    if !scopes.is_empty() {
        rules = rules.scope(scopes)?;
    }
    let status = rules.create()?.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            u8::try_from(effective_abi as i32).ok()
        }
        _ => None,
    })
}
