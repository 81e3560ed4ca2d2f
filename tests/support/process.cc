#include "tests/support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace tocsin::test {
namespace {

std::string read_all(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

pid_t spawn(std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
            const std::string& out_file, const std::string& err_file) {
  std::vector<std::string> variables;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string variable = *e;
    if (!environment.contains(variable.substr(0, variable.find('=')))) variables.push_back(variable);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> args, env;
  for (std::string& a : argv) args.push_back(a.data());
  for (std::string& v : variables) env.push_back(v.data());
  args.push_back(nullptr);
  env.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (err_file == out_file) {
    posix_spawn_file_actions_adddup2(&files, 1, 2);
  } else {
    posix_spawn_file_actions_addopen(&files, 2, err_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, args[0], &files, nullptr, args.data(), env.data());
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw std::runtime_error("cannot start " + argv[0]);
  return pid;
}

}  // namespace

Process::Process(std::vector<std::string> argv, std::string log_file, std::map<std::string, std::string> environment)
    : log_file_(std::move(log_file)) {
  pid_ = spawn(argv, environment, log_file_, log_file_);
}

Process::~Process() {
  if (running()) stop();
}

bool Process::running() {
  if (pid_ <= 0) return false;
  const pid_t ended = waitpid(pid_, &status_, WNOHANG);
  if (ended == pid_) pid_ = -1;
  return pid_ > 0;
}

void Process::signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

int Process::wait(std::chrono::seconds patience) {
  if (!eventually([this] { return !running(); }, patience)) {
    signal(SIGKILL);
    waitpid(pid_, &status_, 0);
    pid_ = -1;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

int Process::stop() {
  signal(SIGTERM);
  return wait();
}

std::string Process::log() const {
  return read_all(log_file_);
}

Output run(std::vector<std::string> argv, std::map<std::string, std::string> environment) {
  char name[] = "/tmp/tocsin-run-XXXXXX";
  if (mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp failed");
  const std::string dir = name;
  const pid_t pid = spawn(argv, environment, dir + "/out", dir + "/err");
  int status = 0;
  waitpid(pid, &status, 0);
  Output output{WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_all(dir + "/out"),
                read_all(dir + "/err")};
  std::filesystem::remove_all(dir);
  return output;
}

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool good = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!good) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::string http_get(std::uint16_t port, const std::string& path, int* status, const std::string& method,
                     const std::string& body, const std::string& content_type) {
  if (status != nullptr) *status = 0;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        method + " " + path +
        " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
        (content_type.empty() ? "" : "\r\nContent-Type: " + content_type) + "\r\n\r\n" + body;
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      char buffer[65536];
      for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) answer.append(buffer, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  const std::size_t end = answer.find("\r\n\r\n");
  if (end == std::string::npos) return "";
  if (status != nullptr) *status = std::atoi(answer.c_str() + answer.find(' '));
  return answer.substr(end + 4);
}

std::string tocsin_binary() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tocsin").string();
}

}  // namespace tocsin::test
