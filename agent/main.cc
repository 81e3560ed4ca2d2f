#include <cstdio>

int main() {
  std::puts("tocsin " TOCSIN_VERSION);
  return 0;
}
