// The thread tells its end through an eventfd that both sides own, so a straggler touches nothing of an io_context that
// may be gone.

#include "probes/host/apart.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <system_error>
#include <thread>

#include "agent/core/async.h"

namespace tocsin::host {
namespace {

namespace asio = boost::asio;

struct Ending {
  Ending() = default;
  ~Ending() {
    if (fd >= 0) ::close(fd);
  }
  Ending(const Ending&) = delete;
  void tell() const { ::eventfd_write(fd, 1); }
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
};

bool start(std::function<void()> work, std::shared_ptr<Ending> ending) {
  try {
    std::thread([work = std::move(work), ending = std::move(ending)] {
      work();
      ending->tell();
    }).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

asio::awaitable<bool> readable(asio::posix::stream_descriptor& descriptor) {
  boost::system::error_code error;
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

}  // namespace

asio::awaitable<bool> run_apart(std::function<void()> work, Deadline deadline) {
  auto ending = std::make_shared<Ending>();
  const int fd = ::dup(ending->fd);
  if (fd < 0) co_return false;
  asio::posix::stream_descriptor descriptor(co_await asio::this_coro::executor, fd);
  if (!start(std::move(work), ending)) co_return false;
  auto waiting = readable(descriptor);
  const std::optional<bool> ended = co_await with_deadline(std::move(waiting), deadline);
  co_return ended.value_or(false);
}

}  // namespace tocsin::host
