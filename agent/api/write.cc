// POST /api/v1/write: Prometheus' remote write, from servers, agents and collectors. Decoding and appending go on a
// slice at a time, so that a large request does not hold up what else the engine does.

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/api/api.h"
#include "agent/app.h"
#include "agent/net/compression.h"
#include "probes/url.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kSamplesPerSlice = 2000;

ServerResponse answer(int status, std::string_view problem) {
  return ServerResponse::text(status, status == 204 ? "" : fmt::format("{}\n", problem));
}

/// What 2.0 wants to be told in every case (Prometheus Remote-Write 2.0, "Required Written Response Headers").
void tell_written(ServerResponse& response, std::size_t samples) {
  response.headers.emplace_back("X-Prometheus-Remote-Write-Samples-Written", fmt::format("{}", samples));
  response.headers.emplace_back("X-Prometheus-Remote-Write-Histograms-Written", "0");
  response.headers.emplace_back("X-Prometheus-Remote-Write-Exemplars-Written", "0");
}

/// Takes the series of a decompressed message into the store; the status to answer with.
asio::awaitable<int> take(App& app, std::string message, RemoteWriteVersion version, RemoteWriteOutcome& outcome) {
  RemoteWriteReader reader(message, version, app.config().remote_write_receiver.limits);
  RemoteWriteReceiver& receiver = app.remote_write();
  RemoteWriteSeries series;
  for (std::size_t in_slice = 0;;) {
    const Result<bool> more = reader.next(series);
    if (!more) {
      outcome.problem = more.error().message;
      co_return 400;
    }
    if (!*more) break;
    receiver.apply(series, outcome);
    in_slice += 1 + series.samples.size();
    if (in_slice < kSamplesPerSlice) continue;
    in_slice = 0;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
  }
  for (RemoteWriteMetadata& metadata : reader.take_metadata()) receiver.apply(std::move(metadata));
  co_return outcome.problem.empty() ? 204 : 400;
}

asio::awaitable<ServerResponse> write(App& app, ServerRequest request) {
  const RemoteWriteConfig& config = app.config().remote_write_receiver;
  if (!config.enabled) {
    co_return answer(404, "remote write receiver needs to be enabled with remote_write_receiver.enabled = true");
  }
  const Result<RemoteWriteVersion> version = remote_write_version(header(request.headers, "Content-Type"));
  const std::string encoding(header(request.headers, "Content-Encoding"));
  std::string refusal;
  if (!version) {
    refusal = version.error().message;
  } else if (!encoding.empty() && !equal_in_any_case(encoding, "snappy")) {
    refusal =
        fmt::format("{} encoding (compression) is not accepted by this server; only snappy is acceptable", encoding);
  }
  if (!refusal.empty()) {
    app.remote_write().refuse();
    co_return answer(415, refusal);
  }
  Decompressed message = snappy_decompress(request.body, config.decoded_bytes_max);
  RemoteWriteOutcome outcome;
  int status = message.too_large ? 413 : 400;
  if (message.ok()) {
    request.body.clear();
    auto taking = take(app, std::move(message.bytes), *version, outcome);
    status = co_await std::move(taking);
    app.remote_write().finish(outcome, request.remote, app.clock().now());
  } else {
    app.remote_write().refuse();
    outcome.problem = message.error;
  }
  ServerResponse response = answer(status, outcome.problem);
  if (*version == RemoteWriteVersion::kV2) tell_written(response, outcome.samples);
  co_return response;
}

}  // namespace

void add_write_routes(HttpServer& server, App& app) {
  server.route("POST", "/api/v1/write", [&app](ServerRequest request) { return write(app, std::move(request)); });
}

}  // namespace tocsin
