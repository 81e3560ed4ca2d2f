#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <exception>
#include <functional>
#include <memory>

namespace tocsin {

/// Tells when a socket that somebody else owns (curl, c-ares) can be read or written, for as long as it is watched. The
/// owner says what it wants with watch() and closes the socket only after stop().
class WatchedSocket : public std::enable_shared_from_this<WatchedSocket> {
 public:
  using Ready = std::function<void(bool readable, bool writable)>;

  WatchedSocket(const boost::asio::any_io_executor& executor, int fd, Ready ready)
      : descriptor_(executor, fd), ready_(std::move(ready)) {}
  /// Null when the kernel refuses to watch it; does not throw, because callers are callbacks of C libraries.
  static std::shared_ptr<WatchedSocket> make(const boost::asio::any_io_executor& executor, int fd,
                                             Ready ready) noexcept {
    try {
      return std::make_shared<WatchedSocket>(executor, fd, std::move(ready));
    } catch (const std::exception&) {
      return nullptr;
    }
  }
  ~WatchedSocket() { stop(); }
  WatchedSocket(const WatchedSocket&) = delete;

  void watch(bool reading, bool writing) {
    reading_ = reading;
    writing_ = writing;
    arm();
  }

  /// Nothing is reported any more, and the socket is its owner's alone.
  void stop() {
    reading_ = writing_ = false;
    ready_ = nullptr;
    if (descriptor_.is_open()) descriptor_.release();
  }

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;

  void arm() {
    if (!descriptor_.is_open()) return;
    if (reading_ && !armed_read_) {
      armed_read_ = true;
      descriptor_.async_wait(Descriptor::wait_read, [self = shared_from_this()](boost::system::error_code error) {
        self->armed_read_ = false;
        self->report(!error && self->reading_, true, false);
      });
    }
    if (writing_ && !armed_write_) {
      armed_write_ = true;
      descriptor_.async_wait(Descriptor::wait_write, [self = shared_from_this()](boost::system::error_code error) {
        self->armed_write_ = false;
        self->report(!error && self->writing_, false, true);
      });
    }
  }

  void report(bool wanted, bool readable, bool writable) {
    if (wanted && ready_) {
      const Ready ready = ready_;  // stop() may be called from inside
      ready(readable, writable);
    }
    arm();
  }

  Descriptor descriptor_;
  Ready ready_;
  bool reading_ = false;
  bool writing_ = false;
  bool armed_read_ = false;
  bool armed_write_ = false;
};

}  // namespace tocsin
