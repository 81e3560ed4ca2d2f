#include "tests/support/real_server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace tocsin::test {

namespace fs = std::filesystem;

bool installed(const std::string& program) {
  for (const char* dir : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    if (access((dir + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

KeyPair make_key_pair(const TempDir& dir, const std::vector<std::string>& names) {
  KeyPair pair{dir.path(names.front() + ".key"), dir.path(names.front() + ".crt")};
  std::string alternatives;
  for (const std::string& name : names) {
    const bool address = name.find_first_not_of("0123456789.") == std::string::npos;
    alternatives += fmt::format("{}{}:{}", alternatives.empty() ? "" : ",", address ? "IP" : "DNS", name);
  }
  const Output made = run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                           "-nodes", "-days", "30", "-subj", "/CN=" + names.front(), "-addext",
                           "subjectAltName=" + alternatives, "-keyout", pair.key_file, "-out", pair.cert_file});
  if (made.exit_code != 0) throw std::runtime_error("openssl: " + made.err);
  return pair;
}

Nginx::Nginx(const TempDir& dir) : dir_(dir), port_(free_port()) {}

void Nginx::start() {
  const std::string config = dir_.write("nginx.conf", fmt::format(R"(
daemon off;
pid {0}/nginx.pid;
error_log {0}/nginx-error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {0}/body;
  proxy_temp_path {0}/proxy;
  fastcgi_temp_path {0}/fastcgi;
  uwsgi_temp_path {0}/uwsgi;
  scgi_temp_path {0}/scgi;
  server {{
    listen 127.0.0.1:{1};
    location / {{ return 200 "all is well\n"; }}
  }}
}}
)",
                                                                  dir_.path(), port_));
  process_.emplace(std::vector<std::string>{"nginx", "-c", config, "-e", dir_.path("nginx-error.log")},
                   dir_.path("nginx.log"));
  const bool up = eventually([this] {
    int status = 0;
    http_get(port_, "/", &status);
    return status == 200;
  });
  if (!up) throw std::runtime_error("nginx does not answer: " + process_->log());
}

void Nginx::stop() {
  process_.reset();
}

Exim::Exim(const TempDir& dir) : dir_(dir), port_(free_port()), keys_(make_key_pair(dir, {"localhost", "127.0.0.1"})) {
  // Exim leaves its root rights before it writes or delivers anything.
  chmod(dir.path().c_str(), 0755);
  for (const char* folder : {"spool", "exim", "mail", "mail/new", "mail/cur", "mail/tmp"}) {
    fs::create_directories(dir.path(folder));
    chmod(dir.path(folder).c_str(), 0777);
  }
  chmod(keys_.key_file.c_str(), 0644);
  const std::string user = geteuid() == 0 ? "  user = Debian-exim\n  group = Debian-exim\n" : "";
  const std::string config =
      dir.write("exim.conf", fmt::format(R"(
primary_hostname = mail.test
spool_directory = {0}/spool
log_file_path = {0}/exim/%slog
keep_environment =
pid_file_path = {0}/exim/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {1}
domainlist local_domains = example.test
acl_smtp_rcpt = check_rcpt
tls_advertise_hosts = *
tls_certificate = {2}
tls_privatekey = {3}
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}{{}}}}
host_lookup =
rfc1413_query_timeout = 0s
never_users =
message_size_limit = 5M

begin acl
check_rcpt:
  deny !authenticated = *
       message = authentication is required
  deny domains = !+local_domains
       message = no relaying
  deny local_parts = nobody-here
       message = no such mailbox
  accept

begin routers
all:
  driver = accept
  domains = +local_domains
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  directory = {0}/mail
  maildir_format
{4}
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{tocsin}}}}{{eq{{$auth3}}{{s3cret-mail}}}}}}}}
  server_set_id = $auth2
)",
                                         dir.path(), port_, keys_.cert_file, keys_.key_file, user));
  process_.emplace(std::vector<std::string>{"exim4", "-C", config, "-bdf", "-q1s"}, dir.path("exim.log"));
  const bool up =
      eventually([this] { return http_get(port_, "/").empty() && log().find("daemon started") != std::string::npos; });
  if (!up) throw std::runtime_error("exim does not start: " + process_->log() + log());
}

std::string Exim::log() const {
  std::ostringstream text;
  text << std::ifstream(dir_.path("exim/mainlog")).rdbuf() << std::ifstream(dir_.path("exim/paniclog")).rdbuf();
  return text.str();
}

std::vector<std::string> Exim::mailbox() const {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(dir_.path("mail/new"))) files.push_back(entry.path());
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return fs::last_write_time(a) < fs::last_write_time(b); });
  std::vector<std::string> mails;
  for (const fs::path& file : files) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    mails.push_back(text.str());
  }
  return mails;
}

}  // namespace tocsin::test
