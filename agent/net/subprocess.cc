// posix_spawn, a pidfd and three pipes. The pidfd becomes readable when the program ends, so no signal handler and no
// thread is needed. What it leaves in its pipes is read when it ended; a grandchild that still holds them is not waited
// for.

#include "agent/net/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "agent/core/clock.h"
#include "agent/net/completion.h"
#include "agent/net/own_fd.h"
#include "agent/net/watched_socket.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

constexpr auto kGrace = std::chrono::seconds(1);

std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> all;
  for (const char* name : {"PATH", "LANG", "HOME"}) {
    if (const char* value = std::getenv(name)) all[name] = value;
  }
  for (const auto& [name, value] : command.environment) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& one : strings) out.push_back(one.data());
  out.push_back(nullptr);
  return out;
}

struct Pipe {
  OwnFd read;
  OwnFd write;
  bool open() {
    std::array<int, 2> fds{};
    if (pipe2(fds.data(), O_CLOEXEC) != 0) return false;
    read.reset(fds[0]);
    write.reset(fds[1]);
    return true;
  }
};

void do_not_block(const OwnFd& fd) {
  fcntl(fd.get(), F_SETFL, O_NONBLOCK);
}

class Child {
 public:
  Child(Command command, const asio::any_io_executor& executor)
      : command_(std::move(command)), executor_(executor), exited(executor) {}
  /// A program that was not seen to end is killed with its group.
  ~Child();
  Child(const Child&) = delete;

  bool start();
  void kill_group(int signal) const { kill(-pid_, signal); }
  /// Reads what is left and takes the exit status.
  void finish();

  CommandResult result;

 private:
  bool fail_with(std::string_view what, int error);
  int spawn(Pipe& in, Pipe& out, Pipe& err);
  bool watch(const OwnFd& fd, bool writing, std::function<void()> ready);
  void on_exit();
  void feed();
  void drain(OwnFd& fd, std::string& into);

  Command command_;
  asio::any_io_executor executor_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  OwnFd pidfd_;
  OwnFd in_;
  OwnFd out_;
  OwnFd err_;
  std::size_t fed_ = 0;
  std::map<int, std::shared_ptr<WatchedSocket>> watched_;

 public:
  Completion exited;
};

bool Child::fail_with(std::string_view what, int error) {
  result.error = fmt::format("{}: {}", what, std::strerror(error));
  return false;
}

Child::~Child() {
  for (const auto& [fd, socket] : watched_) socket->stop();
  if (pid_ <= 0 || reaped_) return;
  // The group's number is still its own: the leader was not reaped.
  kill_group(SIGKILL);
  // One that is stuck in the kernel is not waited for.
  waitpid(pid_, nullptr, exited.done() ? 0 : WNOHANG);
}

int Child::spawn(Pipe& in, Pipe& out, Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (!command_.directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, command_.directory.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> environment = environment_of(command_);
  const std::vector<char*> environment_pointers = pointers(environment);
  const std::vector<char*> arguments = pointers(command_.argv);
  const int error =
      posix_spawnp(&pid_, arguments[0], &actions, &attributes, arguments.data(), environment_pointers.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

bool Child::start() {
  if (command_.argv.empty() || command_.argv[0].empty()) return fail_with("start a program", EINVAL);
  Pipe in;
  Pipe out;
  Pipe err;
  if (!in.open() || !out.open() || !err.open()) return fail_with("open a pipe", errno);
  if (const int error = spawn(in, out, err); error != 0) {
    pid_ = -1;
    return fail_with("start " + command_.argv[0], error);
  }
  result.started = true;
  pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_.good()) return fail_with("watch " + command_.argv[0], errno);
  in_ = std::move(in.write);
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  for (const OwnFd* fd : {&in_, &out_, &err_}) do_not_block(*fd);
  const bool good = watch(pidfd_, false, [this] { on_exit(); }) &&
                    watch(out_, false, [this] { drain(out_, result.out); }) &&
                    watch(err_, false, [this] { drain(err_, result.err); }) && watch(in_, true, [this] { feed(); });
  return good || fail_with("watch " + command_.argv[0], EMFILE);
}

bool Child::watch(const OwnFd& fd, bool writing, std::function<void()> ready) {
  auto socket = WatchedSocket::make(executor_, fd.get(), [ready = std::move(ready)](bool, bool) { ready(); });
  if (socket == nullptr) return false;
  watched_[fd.get()] = socket;
  socket->watch(!writing, writing);
  return true;
}

void Child::on_exit() {
  watched_[pidfd_.get()]->stop();
  exited.set();
}

/// write(), without the signal that a closed pipe would send to all of us.
ssize_t write_quietly(int fd, std::string_view bytes) {
  sigset_t pipe_signal;
  sigset_t before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t wrote = write(fd, bytes.data(), bytes.size());
  const int error = errno;
  const timespec at_once{};
  if (wrote < 0 && error == EPIPE) sigtimedwait(&pipe_signal, nullptr, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return wrote;
}

void Child::feed() {
  while (fed_ < command_.input.size()) {
    const ssize_t wrote = write_quietly(in_.get(), std::string_view(command_.input).substr(fed_));
    if (wrote < 0 && errno == EAGAIN) return;
    if (wrote <= 0) break;  // EPIPE: it does not want to read
    fed_ += static_cast<std::size_t>(wrote);
  }
  if (!in_.good()) return;
  watched_[in_.get()]->stop();
  watched_.erase(in_.get());
  in_.reset();
}

void Child::drain(OwnFd& fd, std::string& into) {
  std::array<char, 16384> chunk;
  // A few chunks at a time: a program that never stops writing must not keep the loop to itself.
  for (int i = 0; i < 8 && fd.good(); ++i) {
    const ssize_t got = read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      watched_[fd.get()]->stop();
      watched_.erase(fd.get());
      fd.reset();
      return;
    }
    const std::size_t room = command_.output_bytes_max - into.size();
    into.append(chunk.data(), std::min(room, static_cast<std::size_t>(got)));
    if (static_cast<std::size_t>(got) > room) result.truncated = true;
  }
}

void Child::finish() {
  drain(out_, result.out);
  drain(err_, result.err);
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return;
  reaped_ = true;
  if (info.si_code == CLD_EXITED) {
    result.exit_code = info.si_status;
  } else {
    result.signal = info.si_status;
  }
}

/// The whole group is asked to end, and is made to a second later. Runs on after its caller is gone.
asio::awaitable<void> end_group(std::shared_ptr<Child> child) {
  child->kill_group(SIGTERM);
  const bool obeyed = co_await child->exited.wait(SystemClock().steady() + kGrace);
  child->kill_group(SIGKILL);
  if (obeyed) co_return;
  // A program stuck in the kernel cannot be killed; it is not waited for longer than this.
  co_await child->exited.wait(SystemClock().steady() + kGrace);
}

void ignore_outcome(std::exception_ptr) {}

}  // namespace

asio::awaitable<CommandResult> run_command(Command command, Deadline deadline) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto child = std::make_shared<Child>(std::move(command), executor);
  if (!child->start()) co_return std::move(child->result);
  bool ended = false;
  try {
    ended = co_await child->exited.wait(deadline);
  } catch (const boost::system::system_error&) {
    asio::co_spawn(executor, end_group(child), ignore_outcome);
    throw;
  }
  if (!ended) {
    child->result.timed_out = true;
    co_await end_group(child);
  }
  child->finish();
  co_return std::move(child->result);
}

}  // namespace tocsin
