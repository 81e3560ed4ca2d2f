#include "agent/convert.h"

#include <gmock/gmock.h>

#include "agent/config.h"

namespace tocsin {
namespace {

using ::testing::HasSubstr;

std::string converted(const std::string& yaml) {
  Diagnostics diagnostics;
  const Result<std::string> toml = convert_document(parse_yaml(yaml, "old.yml", diagnostics));
  EXPECT_EQ(diagnostics.str(), "");
  return toml ? *toml : "error: " + toml.error().message;
}

std::shared_ptr<const Config> accepted(const std::string& toml) {
  Diagnostics diagnostics;
  auto config = parse_config(toml, "new.toml", diagnostics);
  EXPECT_EQ(diagnostics.str(), "") << toml;
  return config;
}

TEST(Convert, AnAlertmanagerKeepsItsRoutesAndItsSecrets) {
  const std::string toml = converted(R"(
global:
  resolve_timeout: 10m
  slack_api_url: https://hooks.slack.example/x
  smtp_smarthost: mail.example:587
  smtp_from: alerts@example.org
  smtp_auth_username: me
  smtp_auth_password_file: /etc/hostname
templates: ['*.tmpl']
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  routes:
  - match: {severity: page}
    match_re: {job: 'a|b'}
    receiver: pager
    continue: true
    mute_time_intervals: [night]
receivers:
- name: team
  slack_configs:
  - channel: '#ops'
    title: '{{ .x }}'
  email_configs:
  - to: a@example.org
- name: pager
  pagerduty_configs:
  - routing_key: k
  telegram_configs:
  - bot_token_file: /etc/hostname
    chat_id: -100123
  webhook_configs:
  - url: http://localhost:1/
    http_config: {basic_auth: {username: u, password: p}}
  sns_configs:
  - topic_arn: x
inhibit_rules:
- source_match: {severity: page}
  target_matchers: ['severity="info"']
  equal: [job]
-
time_intervals:
- name: night
  time_intervals:
  - times: [{start_time: '22:00', end_time: '24:00'}]
    weekdays: ['monday:friday']
    days_of_month: [1, '-3:-1']
    location: Europe/Berlin
)");
  const auto config = accepted(toml);
  EXPECT_EQ(config->notify->resolve_timeout, std::chrono::minutes(10));
  EXPECT_EQ(config->notify->root.routes.at(0).key, "{}/{job=~\"a|b\",severity=\"page\"}");
  EXPECT_EQ(config->notify->receivers.at("pager").channels.size(), 3U);
  EXPECT_EQ(config->notify->inhibit_rules.size(), 1U);
  EXPECT_TRUE(config->notify->time_intervals.contains("night"));
  EXPECT_THAT(toml, HasSubstr("# line 9: \"templates\" has no counterpart"));
  EXPECT_THAT(toml, HasSubstr("\"title\" has no counterpart"));
  EXPECT_THAT(toml, HasSubstr("\"sns_configs\" has no counterpart"));
  EXPECT_THAT(toml, HasSubstr("file = \"/etc/hostname\""));
}

TEST(Convert, APrometheusKeepsItsTargetsAndTellsWhatItLost) {
  const std::string toml = converted(R"(
global: {scrape_interval: 30s, evaluation_interval: 1m, external_labels: {site: a}}
alerting: {alertmanagers: [{static_configs: [{targets: [a]}]}]}
scrape_configs:
- job_name: node
  metrics_path: /m
  static_configs:
  - targets: ['a:9100', 'b:9100']
    labels: {rack: '1'}
  - targets: ['c:9100']
- job_name: found
  kubernetes_sd_configs: [{role: pod}]
)");
  EXPECT_THAT(toml, HasSubstr("\"alerting\" is left out"));
  EXPECT_THAT(toml, HasSubstr("\"kubernetes_sd_configs\" has no counterpart"));
  const auto config = accepted(toml);
  EXPECT_EQ(config->targets.size(), 3U);
  EXPECT_EQ(config->targets.at(0).interval, std::chrono::seconds(30));
}

TEST(Convert, ABlackboxExportersModulesBecomeProbes) {
  const std::string toml = converted(R"(
modules:
  http_2xx:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: [200, 204]
      method: GET
      basic_auth: {username: u, password_file: /p}
      fail_if_body_matches_regexp: ['error']
  ping: {prober: icmp}
  rpc: {prober: grpc}
)");
  EXPECT_THAT(toml, HasSubstr("there is no probe of the type \"grpc\""));
  EXPECT_THAT(toml, HasSubstr("name = \"ping\""));
  EXPECT_THAT(toml, HasSubstr("file = \"/p\""));
  Diagnostics diagnostics;
  parse_config(toml, "new.toml", diagnostics);
  for (const Diagnostic& d : diagnostics.list()) EXPECT_EQ(d.message, "\"targets\" is empty.") << toml;
}

TEST(Convert, SaysWhenItDoesNotKnowTheFile) {
  EXPECT_THAT(converted("a: 1\n"), HasSubstr("this is no alertmanager.yml"));
}

}  // namespace
}  // namespace tocsin
