// The floor: parse the frames, keep the books, compare every checksum; nothing else.
//   ./floor FILE.frames DEPTH simdjson|scan [nocheck]
// simdjson: general JSON, on demand. scan: hand-written scanner that assumes Kraken's key order.
#if __has_include(<simdjson.h>)
#include <simdjson.h>
#define HAS_SIMDJSON 1
using Frame = simdjson::padded_string;
#else
#include <string>
using Frame = std::string;
#endif
#include <zlib.h>
#include <sys/resource.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

using std::string_view;

struct Level { int64_t key; int64_t qty; char text[36]; uint8_t len; };

// digits without '.', leading zeros stripped: the integer at the wire's fixed precision
static inline int64_t ticks(string_view s) {
    int64_t v = 0;
    for (char c : s) if (c >= '0' && c <= '9') v = v * 10 + (c - '0');
    return v;
}
static inline int put(char *p, int64_t v) {
    char t[24]; int n = 0;
    do { t[n++] = char('0' + v % 10); v /= 10; } while (v);
    for (int i = 0; i < n; i++) p[i] = t[n - 1 - i];
    return n;
}

struct Side {
    std::vector<Level> lv;  // best first, key ascending (bids: negative price)
    void set(int64_t key, int64_t price, int64_t qty, size_t depth) {
        // updates are near the top: linear from the front for the first ranks, then binary
        auto it = lv.begin();
        size_t n = std::min<size_t>(lv.size(), 8), i = 0;
        while (i < n && lv[i].key < key) i++;
        it += i;
        if (i == n && n < lv.size())
            it = std::lower_bound(it, lv.end(), key, [](const Level &a, int64_t k) { return a.key < k; });
        bool found = it != lv.end() && it->key == key;
        if (!qty) { if (found) lv.erase(it); return; }
        if (!found) {
            if (size_t(it - lv.begin()) >= depth) return;
            if (lv.size() >= depth) lv.pop_back();
            it = lv.insert(it, Level{});
            it->key = key;
        }
        it->qty = qty;
        int len = put(it->text, price);
        it->len = uint8_t(len + put(it->text + len, qty));
    }
};

struct Book {
    Side bids, asks;
    uint32_t crc() const {
        char buf[20 * 36]; size_t n = 0;
        for (auto *s : {&asks, &bids})
            for (size_t i = 0; i < s->lv.size() && i < 10; i++) {
                memcpy(buf + n, s->lv[i].text, s->lv[i].len); n += s->lv[i].len;
            }
        return uint32_t(crc32_z(0, (const Bytef *)buf, n));
    }
};

struct Hash { using is_transparent = void; size_t operator()(string_view s) const { return std::hash<string_view>{}(s); } };

static std::unordered_map<std::string, Book> books;
static std::string key_buf;
static Book &book_of(string_view s) { key_buf.assign(s.data(), s.size()); return books[key_buf]; }
static uint64_t n_book, n_trade, n_ticker, bad;
static double sink;

static void done(Book &b, uint32_t sum, bool check) {
    if (check && b.crc() != sum) bad++;
    n_book++;
    if (!b.bids.lv.empty() && !b.asks.lv.empty()) sink += double(b.bids.lv[0].qty + b.asks.lv[0].qty);
}

#ifdef HAS_SIMDJSON
static void by_simdjson(const std::vector<Frame> &frames, size_t from, size_t to, size_t depth, bool check) {
    using namespace simdjson;
    static ondemand::parser parser;
    for (size_t i = from; i < to; i++) {
        ondemand::document doc = parser.iterate(frames[i]);
        string_view channel = doc["channel"];
        if (channel == "book") {
            string_view type = doc["type"];
            for (ondemand::object item : doc["data"].get_array()) {
                string_view sym = item["symbol"];
                Book &b = book_of(sym);
                if (type == "snapshot") { b.bids.lv.clear(); b.asks.lv.clear(); }
                for (ondemand::object lv : item["bids"].get_array()) {
                    int64_t p = ticks(lv["price"].raw_json_token().value()), q = ticks(lv["qty"].raw_json_token().value());
                    b.bids.set(-p, p, q, depth);
                }
                for (ondemand::object lv : item["asks"].get_array()) {
                    int64_t p = ticks(lv["price"].raw_json_token().value()), q = ticks(lv["qty"].raw_json_token().value());
                    b.asks.set(p, p, q, depth);
                }
                done(b, uint32_t(uint64_t(item["checksum"])), check);
            }
        } else if (channel == "trade") {
            for (ondemand::object t : doc["data"].get_array()) {
                string_view sym = t["symbol"], side = t["side"];
                sink += double(ticks(t["price"].raw_json_token().value()) + ticks(t["qty"].raw_json_token().value()));
                sink += double(sym.size() + side.size());
                n_trade++;
            }
        } else if (channel == "ticker") {
            for (ondemand::object t : doc["data"].get_array()) {
                string_view sym = t["symbol"];
                for (const char *k : {"bid", "bid_qty", "ask", "ask_qty", "last"})
                    sink += double(ticks(t[k].raw_json_token().value()));
                sink += double(sym.size());
                n_ticker++;
            }
        }
    }
}

#endif

// --- scanner -------------------------------------------------------------------------------
struct Cur { const char *p; };
static inline int64_t num(Cur &c) {
    int64_t v = 0;
    for (;; c.p++) {
        unsigned d = unsigned(*c.p - '0');
        if (d < 10) v = v * 10 + d; else if (*c.p != '.' && *c.p != '-') return v;
    }
}
static inline string_view str(Cur &c) {  // at the opening quote
    const char *s = ++c.p;
    while (*c.p != '"') c.p++;
    string_view r(s, size_t(c.p - s)); c.p++;
    return r;
}
static inline void levels(Cur &c, Side &s, int sign, size_t depth) {  // at '['
    c.p++;
    while (*c.p == '{') {
        c.p += 9;                       // {"price":
        int64_t price = num(c);
        c.p += 7;                       // ,"qty":
        int64_t qty = num(c);
        c.p++;                          // }
        s.set(sign * price, price, qty, depth);
        if (*c.p == ',') c.p++;
    }
    c.p++;
}
static void by_scan(const std::vector<Frame> &frames, size_t from, size_t to, size_t depth, bool check) {
    for (size_t i = from; i < to; i++) {
        Cur c{frames[i].data() + 11};   // {"channel":
        string_view channel = str(c);
        if (channel == "heartbeat") continue;
        c.p += 8;                       // ,"type":
        string_view type = str(c);
        c.p += 9;                       // ,"data":[
        if (channel == "book") {
            c.p += 10;                  // {"symbol":
            Book &b = book_of(str(c));
            if (type == "snapshot") { b.bids.lv.clear(); b.asks.lv.clear(); }
            c.p += 8;                   // ,"bids":
            levels(c, b.bids, -1, depth);
            c.p += 8;                   // ,"asks":
            levels(c, b.asks, 1, depth);
            c.p += 12;                  // ,"checksum":
            done(b, uint32_t(num(c)), check);
        } else if (channel == "trade") {
            while (*c.p == '{') {
                c.p += 10; string_view sym = str(c);
                c.p += 8; string_view side = str(c);
                c.p += 9; int64_t price = num(c);
                c.p += 7; int64_t qty = num(c);
                c.p += 12; str(c);      // ,"ord_type":
                c.p += 12; num(c);      // ,"trade_id":
                c.p += 13; str(c);      // ,"timestamp":
                c.p++; if (*c.p == ',') c.p++;
                sink += double(price + qty) + double(sym.size() + side.size());
                n_trade++;
            }
        } else {
            c.p += 10; string_view sym = str(c);
            c.p += 7; sink += double(num(c));     // ,"bid":
            c.p += 11; sink += double(num(c));    // ,"bid_qty":
            c.p += 7; sink += double(num(c));
            c.p += 11; sink += double(num(c));
            c.p += 8; sink += double(num(c)) + double(sym.size());
            n_ticker++;
        }
    }
}

static double cpu() {
    rusage r; getrusage(RUSAGE_SELF, &r);
    return double(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * double(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
    if (argc < 4) { fprintf(stderr, "floor FRAMES DEPTH simdjson|scan [nocheck]\n"); return 2; }
    size_t depth = size_t(atoi(argv[2]));
    bool scan = !strcmp(argv[3], "scan"), check = !(argc > 4 && !strcmp(argv[4], "nocheck"));
    std::vector<Frame> frames;
    std::ifstream in(argv[1]);
    for (std::string line; std::getline(in, line);) frames.emplace_back(line.data(), line.size());
    auto fn = by_scan;
#ifdef HAS_SIMDJSON
    if (!scan) fn = by_simdjson;
#else
    if (!scan) { fprintf(stderr, "built without simdjson\n"); return 2; }
#endif
    size_t warm = frames.size() / 10;
    fn(frames, 0, warm, depth, check);
    double c0 = cpu(); auto t0 = std::chrono::steady_clock::now();
    fn(frames, warm, frames.size(), depth, check);
    double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count(), used = cpu() - c0;
    size_t n = frames.size() - warm;
    printf("{\"cpu_us\":%.4f,\"wall_us\":%.4f,\"counts\":{\"book\":%lu,\"trade\":%lu,\"ticker\":%lu,\"bad\":%lu},"
           "\"wrong_books\":[],\"sink\":%.3g}\n",
           used / double(n) * 1e6, wall / double(n) * 1e6, n_book, n_trade, n_ticker, bad, sink);
}
