//! Git's configuration here, which is all the configuration that it sees: the system's and the user's
//! are switched off. A file, not `-c`: git hands a file on to the programs that it starts itself, and
//! `safe.directory` is obeyed nowhere else.

use model::repository::LocalRepositories;

/// Settings that hold for every mirror.
const COMMON: &str = "\
# Written at each start; changes are lost.
[core]
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = /dev/null
	fsmonitor = false
	untrackedCache = false
	askPass = /bin/false
	sshCommand = ssh -oBatchMode=yes -oForwardAgent=no -oClearAllForwardings=yes
[credential]
	helper =
	interactive = never
[fetch]
	recurseSubmodules = false
	writeCommitGraph = false
[submodule]
	recurse = false
[gc]
	# Objects of a branch that was rewritten stay: a build of them may be queued.
	auto = 0
[maintenance]
	auto = false
[http]
	followRedirects = initial
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[advice]
	detachedHead = false
[init]
	defaultBranch = main
[protocol]
	allow = never
[protocol \"https\"]
	allow = always
[protocol \"ssh\"]
	allow = always
[protocol \"git\"]
	allow = always
";

/// For repositories on this machine's own disk, which may belong to another user than ours.
const LOCAL: &str = "\
[protocol \"file\"]
	allow = always
[safe]
	directory = *
";

/// The file's text.
pub(crate) fn text(local: LocalRepositories) -> String {
    match local {
        LocalRepositories::Allowed => format!("{COMMON}{LOCAL}"),
        LocalRepositories::Refused => COMMON.to_owned(),
    }
}
