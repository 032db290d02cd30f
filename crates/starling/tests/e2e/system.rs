//! A `starling dev` under test, and its command line.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything that is waited for may take on a busy machine of two cores.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Held by whoever runs a system, so that tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// A running system in a folder of its own; stopped when it is dropped.
pub struct System {
    folder: tempfile::TempDir,
    process: Child,
    login: String,
    environment: Vec<(String, String)>,
    _turn: MutexGuard<'static, ()>,
}

impl System {
    /// Starts `starling dev` with further arguments and waits until it says that it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same, with settings of roles in the environment.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::Builder::new()
            .prefix("starling-e2e-")
            .tempdir()
            .unwrap();
        // Postgres, as another user, must be able to enter.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let environment: Vec<_> = environment.iter().map(own).collect();
        let (process, login) = launch(folder.path(), arguments, &environment);
        Self {
            folder,
            process,
            login,
            environment,
            _turn: turn,
        }
    }

    /// Stops the system as Ctrl-C does and starts it again on the same data.
    pub fn restart(&mut self, arguments: &[&str]) {
        stop(&mut self.process);
        (self.process, self.login) = launch(self.folder.path(), arguments, &self.environment);
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    /// A folder beside the data, for repositories and the like.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The page that logs a browser in.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// Runs `starling` as an engineer would.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        starling(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("starling runs")
    }

    /// Starts `starling …` and gathers what it prints.
    pub fn follow(&self, arguments: &[&str]) -> (Child, Arc<Mutex<Vec<u8>>>) {
        let mut child = starling(arguments)
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starling runs");
        let mut output = child.stdout.take().expect("its output is piped");
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let hearing = heard.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                hearing.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        (child, heard)
    }

    /// Runs `starling --json …`, which must succeed, and reads its answer.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[&["--json"], arguments].concat());
        assert!(
            output.status.success(),
            "starling {arguments:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    /// Runs `starling …`, which must fail with this exit code, and returns what it says.
    pub fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.cli(arguments);
        let said = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "starling {arguments:?} said: {said}{}",
            text(&output.stdout)
        );
        said
    }

    /// Registers a repository below a name.
    pub fn register(&self, name: &str, folder: &Path) {
        self.json(&["repository", "add", name, &folder.display().to_string()]);
    }

    /// Builds to the end, whatever the end is.
    pub fn build(&self, repository: &str, target: &str) -> Value {
        let output = self.cli(&["--json", "build", repository, "main", target]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("the build of {target} was not accepted: {}", text(&output.stderr)))
    }

    /// Enqueues and returns the build's id.
    pub fn enqueue(&self, repository: &str, target: &str) -> String {
        let enqueued = self.json(&["build", "--detach", repository, "main", target]);
        enqueued["build"]["id"]
            .as_str()
            .expect("a build has an id")
            .to_owned()
    }

    /// The whole of a build or deployment.
    pub fn status(&self, id: &str) -> Value {
        self.json(&["status", id])
    }

    /// Waits until a build or deployment looks as `wanted` says, and returns it.
    pub fn wait(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        wait_until(what, || {
            last = self.status(id);
            wanted(&last)
        });
        last
    }
}

impl Drop for System {
    fn drop(&mut self) {
        stop(&mut self.process);
        if std::thread::panicking() {
            print_logs(&self.data().join("logs"));
        }
    }
}

/// Asks `condition` until it holds; fails by name after [`PATIENCE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Bytes that a program printed, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn starling(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("STARLING_API")
        .env_remove("STARLING_TOKEN_FILE");
    command
}

fn data(folder: &Path) -> PathBuf {
    folder.join(".starling")
}

fn launch(folder: &Path, arguments: &[&str], environment: &[(String, String)]) -> (Child, String) {
    let mut process = starling(&["dev", "--port", "0"])
        .args(arguments)
        .envs(environment.iter().cloned())
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starling dev starts");
    let output = process.stdout.take().expect("its output is piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let login = lines.find_map(|line| line.strip_prefix("console: ").map(str::to_owned));
    let Some(login) = login else {
        print_logs(&data(folder).join("logs"));
        panic!("starling dev ended before it was ready: {:?}", process.wait());
    };
    // Whatever it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (process, login)
}

fn stop(process: &mut Child) {
    let pid = process.id().to_string();
    let _ = Command::new("kill").args(["-INT", &pid]).status();
    let _ = process.wait();
}

/// The end of every log, so that a failure in CI can be understood.
fn print_logs(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(15);
        eprintln!("── {}\n{}", entry.path().display(), lines[from..].join("\n"));
    }
}
