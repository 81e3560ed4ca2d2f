// The whole way: a real web server goes down, and a real mailbox, a Slack channel and a pager hear of it once, and of
// its recovery once. Nothing is faked but the two vendors, and their fakes check every field against the published
// contract.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <set>

#include "tests/support/fake_vendor.h"
#include "tests/support/process.h"
#include "tests/support/real_server.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRoutingKey = "0123456789abcdef0123456789abcdef";
constexpr const char* kToken = "xoxb-test-token";
// How long to wait for what must not come: several group intervals.
constexpr auto kQuiet = 2s;

class Paging : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* program : {"nginx", "exim4", "openssl"}) {
      if (!installed(program)) GTEST_SKIP() << program << " is not installed";
    }
    nginx_.emplace(dir_);
    nginx_->start();
    exim_.emplace(dir_);
    config_ = dir_.write("tocsin.toml", config());
  }

  std::string config() const {
    const std::string port = std::to_string(port_), mail = std::to_string(exim_->port());
    return R"(
evaluation_interval = "200ms"
[server]
listen = "127.0.0.1:)" +
           port + R"("
[storage]
directory = ")" +
           dir_.path("state") + R"("
[[probe]]
type = "http"
name = "shop"
interval = "200ms"
targets = [")" +
           nginx_->url() + R"("]
[[group]]
name = "shop"
[[group.rule]]
alert = "ShopDown"
expr = 'probe_success{job="shop"} == 0'
for = "400ms"
labels = { severity = "page" }
annotations = { summary = "{{ $labels.instance }} does not answer", runbook_url = "https://runbooks.example/shop" }
[route]
receiver = "oncall"
group_by = ["alertname"]
group_wait = "100ms"
group_interval = "300ms"
[[receiver]]
name = "oncall"
[[receiver.email]]
to = "On Call <oncall@example.test>"
from = "tocsin@example.test"
smarthost = "localhost:)" +
           mail + R"("
username = "tocsin"
password = "s3cret-mail"
tls = { ca_file = ")" +
           exim_->ca_file() + R"(" }
send_resolved = true
[[receiver.slack]]
webhook_url = ")" +
           slack_.webhook_url() + R"("
send_resolved = true
[[receiver.pagerduty]]
url = ")" + pager_.url() +
           R"("
routing_key = ")" +
           kRoutingKey + R"("
)";
  }

  void start_agent() {
    agent_.emplace(std::vector<std::string>{tocsin_binary(), "run", "--config", config_}, dir_.path("tocsin.log"));
    ASSERT_TRUE(eventually([this] {
      int status = 0;
      http_get(port_, "/-/ready", &status);
      return status == 200;
    })) << agent_->log();
  }

  void kill_agent() {
    ++kills_;
    agent_->signal(SIGKILL);
    EXPECT_EQ(agent_->wait(), -SIGKILL);
  }

  bool metrics_have(const std::string& text) const {
    return http_get(port_, "/metrics").find(text) != std::string::npos;
  }

  /// Every channel has had `count` messages.
  bool told(std::size_t count) const {
    const auto incidents = pager_.incidents();
    const bool resolved = count == 2;
    return exim_->mailbox().size() >= count && slack_.messages().size() >= count && !incidents.empty() &&
           incidents[0].open != resolved;
  }

  /// One page and one resolve on each channel. A kill in the middle of a send may cost one more copy of the same
  /// message.
  void expect_one_page_and_one_resolve() {
    std::this_thread::sleep_for(kQuiet);
    EXPECT_EQ(pager_.breaches(), std::vector<std::string>{});
    EXPECT_EQ(slack_.breaches(), std::vector<std::string>{});
    const auto incidents = pager_.incidents();
    ASSERT_EQ(incidents.size(), 1U);
    EXPECT_TRUE(once_or_a_copy_per_kill(incidents[0].triggers)) << incidents[0].triggers;
    EXPECT_EQ(incidents[0].resolves, 1);
    EXPECT_EQ(incidents[0].severity, "critical");
    EXPECT_NE(incidents[0].summary.find("does not answer"), std::string::npos) << incidents[0].summary;

    std::vector<std::string> texts;
    for (const auto& message : slack_.messages()) texts.push_back(message.text);
    expect_firing_then_resolved(texts, "[FIRING:1] ShopDown", "[RESOLVED] ShopDown");

    const auto mails = exim_->mailbox();
    expect_firing_then_resolved(mails, "Subject: [FIRING:1] ShopDown", "Subject: [RESOLVED] ShopDown");
    std::set<std::string> ids;
    for (const std::string& mail : mails) ids.insert(header(mail, "Message-ID: "));
    EXPECT_EQ(ids.size(), 2U) << "a copy has the same Message-ID";
    EXPECT_NE(mails.front().find("Auto-Submitted: auto-generated"), std::string::npos);
    EXPECT_EQ(header(mails.back(), "In-Reply-To: "), header(mails.front(), "Message-ID: "));
  }

  bool once_or_a_copy_per_kill(std::ptrdiff_t count) const { return count >= 1 && count <= 1 + kills_; }

  void expect_firing_then_resolved(const std::vector<std::string>& messages, const std::string& firing,
                                   const std::string& resolved) {
    const auto has = [](const std::string& text) {
      return [text](const std::string& message) { return message.find(text) != std::string::npos; };
    };
    ASSERT_GE(messages.size(), 2U);
    const auto fired = std::count_if(messages.begin(), messages.end(), has(firing));
    const auto ended = std::count_if(messages.begin(), messages.end(), has(resolved));
    EXPECT_TRUE(once_or_a_copy_per_kill(fired)) << fired;
    EXPECT_TRUE(once_or_a_copy_per_kill(ended)) << ended;
    EXPECT_EQ(static_cast<std::size_t>(fired + ended), messages.size()) << "nothing else";
    EXPECT_TRUE(has(firing)(messages.front())) << messages.front();
    EXPECT_TRUE(has(resolved)(messages.back())) << messages.back();
  }

  static std::string header(const std::string& mail, const std::string& name) {
    const std::size_t at = mail.find(name);
    if (at == std::string::npos) return "";
    return mail.substr(at + name.size(), mail.find('\n', at) - at - name.size());
  }

  TempDir dir_;
  std::uint16_t port_ = free_port();
  FakeSlack slack_{kToken};
  FakePagerDuty pager_{kRoutingKey};
  std::optional<Nginx> nginx_;
  std::optional<Exim> exim_;
  std::string config_;
  std::optional<Process> agent_;
  int kills_ = 0;
};

TEST_F(Paging, OneOutageIsOnePageAndOneResolveOnEachChannel) {
  start_agent();
  ASSERT_TRUE(eventually([&] { return metrics_have("probe_success{"); })) << agent_->log();
  std::this_thread::sleep_for(kQuiet);
  EXPECT_EQ(slack_.messages().size(), 0U) << "nothing is wrong yet";

  nginx_->stop();
  ASSERT_TRUE(eventually([&] { return told(1); })) << agent_->log();
  nginx_->start();
  ASSERT_TRUE(eventually([&] { return told(2); })) << agent_->log();
  expect_one_page_and_one_resolve();
  EXPECT_EQ(agent_->stop(), 0) << agent_->log();
}

TEST_F(Paging, KilledBetweenOutageAndPageStillTellsOnce) {
  start_agent();
  ASSERT_TRUE(eventually([&] { return metrics_have("probe_success{"); })) << agent_->log();
  nginx_->stop();
  ASSERT_TRUE(eventually([&] { return metrics_have("probe_failure_cause{"); })) << agent_->log();
  kill_agent();
  start_agent();
  ASSERT_TRUE(eventually([&] { return told(1); })) << agent_->log();
  nginx_->start();
  ASSERT_TRUE(eventually([&] { return told(2); })) << agent_->log();
  expect_one_page_and_one_resolve();
}

TEST_F(Paging, KilledBetweenPageAndResolveRemembersTheIncident) {
  start_agent();
  nginx_->stop();
  ASSERT_TRUE(eventually([&] { return told(1); })) << agent_->log();
  kill_agent();
  nginx_->start();
  start_agent();
  ASSERT_TRUE(eventually([&] { return told(2); }, 60s)) << agent_->log();
  expect_one_page_and_one_resolve();
}

TEST_F(Paging, KilledWhileTheChannelsFailStillTells) {
  pager_.fail_next(3, {503, "down"});
  slack_.fail_next(3, {429, "", {{"Retry-After", "1"}}});
  start_agent();
  nginx_->stop();
  ASSERT_TRUE(eventually([&] { return pager_.requests() > 0; })) << agent_->log();
  kill_agent();
  start_agent();
  ASSERT_TRUE(eventually([&] { return told(1); }, 60s)) << agent_->log();
  nginx_->start();
  ASSERT_TRUE(eventually([&] { return told(2); }, 60s)) << agent_->log();
  expect_one_page_and_one_resolve();
}

}  // namespace
}  // namespace tocsin::test
