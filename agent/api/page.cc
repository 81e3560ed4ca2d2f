// The page and what it is made of, from the files that are built in. A content security policy lets it load nothing
// else.

#include "agent/api/api.h"
#include "agent/core/embedded.h"

namespace tocsin {

void add_page_routes(HttpServer& server, App&) {
  struct File {
    std::string_view path;
    std::string_view file;
    std::string_view type;
  };
  constexpr File kFiles[] = {
      {"/", "dashboards/page.html", "text/html; charset=utf-8"},
      {"/page.css", "dashboards/page.css", "text/css; charset=utf-8"},
      {"/page.js", "dashboards/page.js", "text/javascript; charset=utf-8"},
      {"/grafana/tocsin.json", "dashboards/grafana.json", "application/json"},
  };
  for (const File& file : kFiles) {
    server.route("GET", std::string(file.path), plain_handler([file](const ServerRequest&) {
                   ServerResponse response = ServerResponse::text(200, std::string(embedded_file(file.file)));
                   response.content_type = file.type;
                   response.headers.emplace_back("Content-Security-Policy",
                                                 "default-src 'none'; style-src 'self'; script-src 'self'; "
                                                 "connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'");
                   response.headers.emplace_back("X-Content-Type-Options", "nosniff");
                   response.headers.emplace_back("Referrer-Policy", "no-referrer");
                   return response;
                 }));
  }
}

}  // namespace tocsin
