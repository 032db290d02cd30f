//! A real browser on the console: presses Build and Deploy, sees every host healthy, and presses Roll back.

use crate::fixture;
use crate::system::{PATIENCE, System};
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// chromedriver with a profile folder of its own; ends when it is dropped.
struct Driver {
    process: Child,
    port: u16,
    profile: tempfile::TempDir,
}

impl Driver {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        crate::system::wait_until("chromedriver listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            process,
            port,
            profile: tempfile::tempdir().unwrap(),
        }
    }

    async fn browser(&self) -> Client {
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--user-data-dir={}", self.profile.path().display()),
        ];
        let mut capabilities = Capabilities::new();
        capabilities.insert(
            "goog:chromeOptions".to_owned(),
            serde_json::json!({ "args": arguments }),
        );
        ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("the browser starts")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_engineer_presses_build_deploy_and_roll_back_and_sees_twelve_healthy_hosts() {
    let system = System::start(&[]);
    let repository = system.scratch("beacon");
    fixture::beacon(&repository, 2 << 20);
    system.register("beacon", &repository);
    system.json(&[
        "service",
        "apply",
        &repository.join("starling.toml").display().to_string(),
    ]);
    let driver = Driver::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let browser = driver.browser().await;
        build_and_deploy(&browser, system.login()).await;
        roll_back(&browser, &system).await;
        browser.close().await.unwrap();
    });
}

async fn build_and_deploy(browser: &Client, login: &str) {
    let shots = screenshots();
    browser.goto(login).await.unwrap();
    wait_for(browser, "//h1").await;
    shoot(browser, &shots, "overview").await;
    let builds = browser.current_url().await.unwrap().join("/builds").unwrap();
    browser.goto(builds.as_str()).await.unwrap();
    wait_for(browser, "//button[@id='build']").await;
    let repository = browser.find(Locator::Css("#repository")).await.unwrap();
    repository.select_by_label("beacon").await.unwrap();
    fill(browser, "#revision", "main").await;
    fill(browser, "#target", "//:beacon").await;
    shoot(browser, &shots, "builds").await;
    press(browser, "#build").await;

    // The page follows the build by itself; nothing here reloads it.
    wait_for(browser, "//button[@id='deploy'][@disabled]").await;
    shoot(browser, &shots, "build-running").await;
    wait_for(browser, "//button[@id='deploy'][not(@disabled)]").await;
    shoot(browser, &shots, "build-succeeded").await;
    press(browser, "#deploy").await;
    // It shows what would change before anything does.
    wait_for(browser, "//button[@id='confirm']").await;
    wait_for(browser, "//h3[contains(.,'Nothing runs yet')]").await;
    shoot(browser, &shots, "ship").await;
    press(browser, "#confirm").await;

    wait_for(
        browser,
        "//*[@data-part='head']//*[contains(@class,'state')][contains(.,'SUCCEEDED')]",
    )
    .await;
    let healthy = "//*[@data-part='hosts']//tbody/tr[.//*[contains(@class,'state')][contains(.,'HEALTHY')]]";
    wait_for(browser, &format!("{healthy}[12]")).await;
    let healthy = browser.find_all(Locator::XPath(healthy)).await.unwrap();
    assert_eq!(healthy.len(), 12, "every host is shown healthy");
    shoot(browser, &shots, "deployment").await;
}

/// A second release of the same bytes, and the way back from it with one button.
async fn roll_back(browser: &Client, system: &System) {
    let shots = screenshots();
    let variable = "STARLING_GREETING=changed";
    let kept = system.cli(&["configuration", "set", "beacon", "second", variable]);
    assert!(kept.status.success(), "{kept:?}");
    let build = system.json(&["builds"])["builds"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let slowly = ["--strategy", "canary", "--bake", "600", "--detach"];
    let mut arguments = vec!["deploy", "beacon", &build, "--configuration", "second"];
    arguments.extend(slowly);
    let deployment = system.json(&arguments);
    let page = format!("/deployments/{}", deployment["id"].as_str().unwrap());
    let page = browser.current_url().await.unwrap().join(&page).unwrap();
    browser.goto(page.as_str()).await.unwrap();
    let baking = "//*[@data-part='rollout']//li[@aria-current='step'][contains(.,'watched for')]";
    wait_for(browser, baking).await;
    shoot(browser, &shots, "rollout-canary").await;
    press(browser, "#roll-back").await;

    // It shows the rollback, which is a release of its own.
    wait_for(
        browser,
        "//*[@data-part='head'][contains(.,'rollback')]//*[contains(@class,'state')][contains(.,'SUCCEEDED')]",
    )
    .await;
    shoot(browser, &shots, "rollback").await;
    browser.goto(page.as_str()).await.unwrap();
    wait_for(
        browser,
        "//*[@data-part='head']//*[contains(@class,'state')][contains(.,'ROLLED_BACK')]",
    )
    .await;
    shoot(browser, &shots, "rolled-back").await;
}

async fn fill(browser: &Client, css: &str, text: &str) {
    let field = browser.find(Locator::Css(css)).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

async fn press(browser: &Client, button: &str) {
    browser
        .find(Locator::Css(button))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
}

async fn wait_for(browser: &Client, xpath: &str) {
    let wait = browser.wait().at_most(PATIENCE).every(Duration::from_millis(50));
    if wait.for_element(Locator::XPath(xpath)).await.is_err() {
        panic!(
            "the page never showed {xpath}:\n{}",
            browser.source().await.unwrap_or_default()
        );
    }
}

/// One picture at desktop and one at phone width, for people to look at.
async fn shoot(browser: &Client, folder: &Path, name: &str) {
    for (kind, width, height) in [("phone", 390, 844), ("desktop", 1280, 900)] {
        browser.set_window_size(width, height).await.unwrap();
        let picture = browser.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}-{kind}.png")), picture).unwrap();
    }
}

/// The git-ignored folder of pictures, at the top of the repository.
fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
