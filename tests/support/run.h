#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

#include "agent/core/time.h"

namespace tocsin::test {

/// Runs `work` on `io` to its end and returns or throws what it did. Whatever else waits on `io` runs along. Gives up
/// after half a minute: a test that hangs is a failed test.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
  std::exception_ptr failure;
  std::optional<T> value;
  bool ended = false;
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr thrown, T result) {
    failure = thrown;
    value.emplace(std::move(result));
    ended = true;
  });
  io.restart();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!ended && std::chrono::steady_clock::now() < limit) io.run_one_for(std::chrono::seconds(1));
  if (!ended) throw std::runtime_error("the coroutine did not end");
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

inline void run(boost::asio::io_context& io, boost::asio::awaitable<void> work) {
  std::exception_ptr failure;
  bool ended = false;
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr thrown) {
    failure = thrown;
    ended = true;
  });
  io.restart();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!ended && std::chrono::steady_clock::now() < limit) io.run_one_for(std::chrono::seconds(1));
  if (!ended) throw std::runtime_error("the coroutine did not end");
  if (failure) std::rethrow_exception(failure);
}

/// A deadline so many milliseconds from now.
inline Deadline in_ms(int milliseconds) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

}  // namespace tocsin::test
