//! The vault's key is replaced beside a server that is running, and nothing is lost by it.

mod support;

use std::path::Path;

use serde_json::json;
use support::{Client, Deployment, FakeVendor, json_answer, throughline};

fn keys(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).expect("the key file").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_key_is_replaced_under_a_running_server_and_the_old_one_can_go() {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, json!({"id": "1", "name": "King"}).to_string()));
    let deployment = Deployment::new("vault", &vendor);
    deployment.run(&["vault", "init", "vault.key"]);
    let create = ["keys", "create", "--config", "config.yaml", "--tenant", "acme", "--scopes", "read,admin"];
    let key = deployment.run(&create);
    let server = deployment.serve().await;
    let client = Client::new(deployment.api).key(&key);
    let import = |customer: &str| json!({"provider": "fake", "customer_id": customer, "credentials": {"type": "token", "token": "s3cret"}});
    let made = client.post("/v1/connections", import("one")).await;
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let works = async |client: &Client, id: &str| {
        let answer = client.connection(id).get("/v1/crm/contacts/1").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(vendor.last().header("x-fake-key"), Some("Key s3cret"));
    };
    works(&client, &id).await;

    let said = deployment.run(&["vault", "rotate", "--config", "config.yaml"]);
    assert!(said.starts_with("sealed anew: 2"), "{said}");
    assert_eq!(keys(&deployment.key_file()).len(), 2);
    // What the server has in memory is good; what it reads anew is under a key that it has to look for.
    works(&client, &id).await;
    let later = client.post("/v1/connections", import("two")).await.json()["id"].as_str().expect("an id").to_owned();
    works(&client, &later).await;
    drop(server);

    let said = deployment.run(&["vault", "rotate", "--config", "config.yaml", "--no-new-key"]);
    let again = deployment.run(&["vault", "rotate", "--config", "config.yaml", "--no-new-key"]);
    assert!(again.contains("nothing is under an older key"), "{said}\n{again}");
    let newest = keys(&deployment.key_file()).swap_remove(0);
    std::fs::write(deployment.key_file(), newest + "\n").expect("written");
    let _server = deployment.serve().await;
    for id in [&id, &later] {
        works(&client, id).await;
    }
}

#[tokio::test]
async fn a_key_may_come_from_a_command() {
    let vendor = FakeVendor::start().await;
    let deployment = Deployment::new("vault", &vendor);
    deployment.run(&["vault", "init", "vault.key"]);
    let config = std::fs::read_to_string(deployment.folder.join("config.yaml")).expect("the configuration");
    let config = config.replace("\"key_file\"", "\"key_command\": \"cat vault.key\", \"unused\"");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let mut config = config;
    config["vault"].as_object_mut().expect("an object").remove("unused");
    std::fs::write(deployment.folder.join("config.yaml"), config.to_string()).expect("written");
    let key =
        deployment.run(&["keys", "create", "--config", "config.yaml", "--tenant", "acme", "--scopes", "read,admin"]);
    let _server = deployment.serve().await;
    assert_eq!(Client::new(deployment.api).key(&key).get("/v1/connections").await.status, 200);
    let output = throughline()
        .args(["vault", "rotate", "--config", "config.yaml"])
        .current_dir(&deployment.folder)
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-new-key"));
}

#[tokio::test]
async fn nothing_is_served_without_a_key() {
    let vendor = FakeVendor::start().await;
    let deployment = Deployment::new("vault", &vendor);
    for (file, words) in
        [(None, "cannot be read"), (Some("AAAA\n"), "32 bytes"), (Some("# only a remark\n"), "vault init")]
    {
        let _ = std::fs::remove_file(deployment.key_file());
        if let Some(text) = file {
            std::fs::write(deployment.key_file(), text).expect("written");
        }
        let output = throughline()
            .args(["serve", "--config", "config.yaml"])
            .current_dir(&deployment.folder)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
}
