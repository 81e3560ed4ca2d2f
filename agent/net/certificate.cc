// Certificates as text. Names are written as Go's crypto/x509/pkix prints them, because that is what blackbox_exporter
// puts into labels: the known attributes in a fixed order (serial number, common name, …, country), several values of
// one joined with
// "+", whatever else the name holds last, as its OID and the hexadecimal DER of its value.

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <array>
#include <span>

#include "agent/net/tls.h"

namespace tocsin {

namespace {

std::string to_hex(std::span<const unsigned char> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string text_of(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  if (length < 0) return "";
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
  OPENSSL_free(utf8);
  return out;
}

std::string escaped(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool edge_space = c == ' ' && (i == 0 || i + 1 == value.size());
    if (std::string_view(",+\"\\<>;").find(c) != std::string_view::npos || edge_space || (c == '#' && i == 0))
      out += '\\';
    out += c;
  }
  return out;
}

/// The DER that Go's asn1.Marshal gives a string: PrintableString when it can be one, else UTF8String.
std::string der_of(std::string_view value) {
  constexpr std::string_view kPrintable = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?";
  const bool printable = value.find_first_not_of(kPrintable) == std::string_view::npos;
  std::string out(1, printable ? '\x13' : '\x0c');
  if (value.size() < 128) {
    out += static_cast<char>(value.size());
  } else {
    std::string length;
    for (std::size_t rest = value.size(); rest > 0; rest >>= 8)
      length.insert(length.begin(), static_cast<char>(rest & 255));
    out += static_cast<char>(0x80U | length.size());
    out += length;
  }
  return out.append(value);
}

struct Attribute {
  int nid;
  std::string_view name;
  bool last_only;  // pkix.Name keeps one value of these
};
constexpr std::array kAttributes = {
    Attribute{NID_serialNumber, "SERIALNUMBER", true},
    Attribute{NID_commonName, "CN", true},
    Attribute{NID_postalCode, "POSTALCODE", false},
    Attribute{NID_streetAddress, "STREET", false},
    Attribute{NID_stateOrProvinceName, "ST", false},
    Attribute{NID_localityName, "L", false},
    Attribute{NID_organizationalUnitName, "OU", false},
    Attribute{NID_organizationName, "O", false},
    Attribute{NID_countryName, "C", false},
};

std::string name_text(const X509_NAME* name) {
  std::array<std::string, kAttributes.size()> known;
  std::string others;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
    const std::string value = text_of(X509_NAME_ENTRY_get_data(entry));
    const auto* attribute = std::find_if(kAttributes.begin(), kAttributes.end(),
                                         [object](const Attribute& a) { return a.nid == OBJ_obj2nid(object); });
    if (attribute != kAttributes.end()) {
      std::string& place = known[static_cast<std::size_t>(attribute - kAttributes.begin())];
      if (attribute->last_only) place.clear();
      if (value.empty() && attribute->last_only) continue;
      if (!place.empty()) place += '+';
      place += fmt::format("{}={}", attribute->name, escaped(value));
      continue;
    }
    std::array<char, 128> oid{};
    OBJ_obj2txt(oid.data(), static_cast<int>(oid.size()), object, 1);
    const std::string der = der_of(value);
    const std::span bytes(reinterpret_cast<const unsigned char*>(der.data()), der.size());
    others = fmt::format("{}=#{}{}{}", oid.data(), to_hex(bytes), others.empty() ? "" : ",", others);
  }
  std::string out;
  for (const std::string& part : known) {
    if (!part.empty()) out += (out.empty() ? "" : ",") + part;
  }
  if (!others.empty()) out += (out.empty() ? "" : ",") + others;
  return out;
}

TimePoint time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return TimePoint{};
  const std::chrono::year_month_day day{std::chrono::year(parts.tm_year + 1900),
                                        std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                        std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
         std::chrono::seconds(parts.tm_sec);
}

std::string serial_text(const X509* certificate) {
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr), BN_free);
  if (number == nullptr) return "";
  std::vector<unsigned char> bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), bytes.data());
  return to_hex(bytes);
}

std::vector<std::string> dns_names_of(const X509* certificate) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) out.push_back(text_of(name->d.dNSName));
  }
  GENERAL_NAMES_free(names);
  return out;
}

}  // namespace

CertificateInfo describe_certificate(const X509* certificate) {
  CertificateInfo info;
  info.subject = name_text(X509_get_subject_name(certificate));
  info.issuer = name_text(X509_get_issuer_name(certificate));
  info.serial = serial_text(certificate);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &length) == 1) {
    info.fingerprint_sha256 = to_hex(std::span(digest).first(length));
  }
  info.dns_names = dns_names_of(certificate);
  info.not_before = time_of(X509_get0_notBefore(certificate));
  info.not_after = time_of(X509_get0_notAfter(certificate));
  return info;
}

}  // namespace tocsin
