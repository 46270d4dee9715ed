/* sodium.c - `ions.sodium` for Lua: what libsodium does with bytes for ion.hash, for the gate and
 * for secrets. Strings in and strings out; who calls has checked what a program may give
 * (stdlib/ion/hash.lua).
 */
#include "sodium.h"

#include <lauxlib.h>
#include <sodium/core.h>
#include <sodium/crypto_aead_xchacha20poly1305.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_hash_sha256.h>
#include <sodium/crypto_pwhash.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>
#include <string.h>

enum {
    RANDOM_SIZE_MAX = 65536,
    KEY_SIZE = 32,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
};

static const unsigned char *check_bytes(lua_State *state, int index, size_t *size_out)
{
    return (const unsigned char *)luaL_checklstring(state, index, size_out);
}

/* sha256(bytes) → 32 bytes */
static int sha256(lua_State *state)
{
    size_t size;
    const unsigned char *bytes = check_bytes(state, 1, &size);
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, bytes, size);
    lua_pushlstring(state, (const char *)digest, sizeof digest);
    return 1;
}

/* hmac(key, bytes) → 32 bytes: HMAC-SHA-256 */
static int hmac(lua_State *state)
{
    size_t key_size, size;
    const unsigned char *key = check_bytes(state, 1, &key_size);
    const unsigned char *bytes = check_bytes(state, 2, &size);
    unsigned char digest[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state hash;
    crypto_auth_hmacsha256_init(&hash, key, key_size);
    crypto_auth_hmacsha256_update(&hash, bytes, size);
    crypto_auth_hmacsha256_final(&hash, digest);
    sodium_memzero(&hash, sizeof hash);
    lua_pushlstring(state, (const char *)digest, sizeof digest);
    return 1;
}

/* equal(a, b) → boolean, in a time that tells their sizes alone */
static int equal(lua_State *state)
{
    size_t size_a, size_b;
    const unsigned char *a = check_bytes(state, 1, &size_a), *b = check_bytes(state, 2, &size_b);
    lua_pushboolean(state, size_a == size_b && sodium_memcmp(a, b, size_a) == 0);
    return 1;
}

/* random(size) → bytes that nobody can foretell */
static int random_bytes(lua_State *state)
{
    lua_Integer size = luaL_checkinteger(state, 1);
    luaL_argcheck(state, size >= 0 && size <= RANDOM_SIZE_MAX, 1, "0 to 65536 bytes");
    unsigned char stack[256], *bytes = stack;
    if ((size_t)size > sizeof stack) bytes = lua_newuserdata(state, (size_t)size);
    randombytes_buf(bytes, (size_t)size);
    lua_pushlstring(state, (const char *)bytes, (size_t)size);
    return 1;
}

/* argon2id(password, salt of 16 bytes, passes, KiB) → 32 bytes; nil: there is no memory for it */
static int argon2id(lua_State *state)
{
    size_t size, salt_size;
    const char *password = luaL_checklstring(state, 1, &size);
    const unsigned char *salt = check_bytes(state, 2, &salt_size);
    lua_Integer passes = luaL_checkinteger(state, 3), memory_kib = luaL_checkinteger(state, 4);
    luaL_argcheck(state, salt_size == crypto_pwhash_SALTBYTES, 2, "16 bytes");
    luaL_argcheck(state, passes >= 1, 3, "at least 1");
    luaL_argcheck(state, memory_kib >= 8, 4, "at least 8");
    unsigned char key[KEY_SIZE];
    int code = crypto_pwhash(key, sizeof key, password, size, salt, (unsigned long long)passes,
                             (size_t)memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13);
    if (code != 0) return 0;
    lua_pushlstring(state, (const char *)key, sizeof key);
    sodium_memzero(key, sizeof key);
    return 1;
}

/* argon2id_verify(password, "$argon2id$…") → boolean */
static int argon2id_verify(lua_State *state)
{
    size_t size;
    const char *password = luaL_checklstring(state, 1, &size);
    const char *stored = luaL_checkstring(state, 2);
    lua_pushboolean(state, crypto_pwhash_str_verify(stored, password, size) == 0);
    return 1;
}

/* seal(key of 32 bytes, text, about) → bytes that only the key opens: XChaCha20-Poly1305, a nonce
 * made by chance in front. `about` is not in it, and has to be the same when it is opened. */
static int seal(lua_State *state)
{
    size_t key_size, size, about_size;
    const unsigned char *key = check_bytes(state, 1, &key_size);
    const unsigned char *text = check_bytes(state, 2, &size);
    const unsigned char *about = check_bytes(state, 3, &about_size);
    luaL_argcheck(state, key_size == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, 1, "32 bytes");
    size_t whole = NONCE_SIZE + size + crypto_aead_xchacha20poly1305_ietf_ABYTES;
    unsigned char *sealed = lua_newuserdata(state, whole);
    randombytes_buf(sealed, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_SIZE, NULL, text, size, about,
                                               about_size, NULL, sealed, key);
    lua_pushlstring(state, (const char *)sealed, whole);
    return 1;
}

/* open(key of 32 bytes, what seal gave, about) → text; nil: another key, another `about`, or
 * changed */
static int open_sealed(lua_State *state)
{
    size_t key_size, size, about_size;
    const unsigned char *key = check_bytes(state, 1, &key_size);
    const unsigned char *sealed = check_bytes(state, 2, &size);
    const unsigned char *about = check_bytes(state, 3, &about_size);
    luaL_argcheck(state, key_size == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, 1, "32 bytes");
    if (size < NONCE_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES) return 0;
    size_t text_size = size - NONCE_SIZE - crypto_aead_xchacha20poly1305_ietf_ABYTES;
    unsigned char *text = lua_newuserdata(state, text_size + 1);
    int code = crypto_aead_xchacha20poly1305_ietf_decrypt(
        text, NULL, NULL, sealed + NONCE_SIZE, size - NONCE_SIZE, about, about_size, sealed, key);
    if (code == 0) lua_pushlstring(state, (const char *)text, text_size);
    sodium_memzero(text, text_size);
    return code == 0 ? 1 : 0;
}

/* hex(bytes) → text */
static int hex(lua_State *state)
{
    size_t size;
    const unsigned char *bytes = check_bytes(state, 1, &size);
    char *text = lua_newuserdata(state, 2 * size + 1);
    sodium_bin2hex(text, 2 * size + 1, bytes, size);
    lua_pushlstring(state, text, 2 * size);
    return 1;
}

/* from_hex(text) → bytes; nil: it is none */
static int from_hex(lua_State *state)
{
    size_t size, read_size;
    const char *text = luaL_checklstring(state, 1, &size);
    unsigned char *bytes = lua_newuserdata(state, size / 2 + 1);
    if (size % 2 != 0 || sodium_hex2bin(bytes, size / 2, text, size, NULL, &read_size, NULL) != 0)
        return 0;
    lua_pushlstring(state, (const char *)bytes, read_size);
    return 1;
}

static int base64_variant(lua_State *state, int index)
{
    return lua_toboolean(state, index) ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
                                       : sodium_base64_VARIANT_ORIGINAL;
}

/* base64(bytes, for_urls) → text; for URLs with - and _, without padding */
static int base64(lua_State *state)
{
    size_t size;
    const unsigned char *bytes = check_bytes(state, 1, &size);
    int variant = base64_variant(state, 2);
    size_t room = sodium_base64_encoded_len(size, variant);
    char *text = lua_newuserdata(state, room);
    sodium_bin2base64(text, room, bytes, size, variant);
    lua_pushlstring(state, text, strlen(text));
    return 1;
}

/* from_base64(text, for_urls) → bytes; nil: it is none */
static int from_base64(lua_State *state)
{
    size_t size, read_size;
    const char *text = luaL_checklstring(state, 1, &size), *end = NULL;
    unsigned char *bytes = lua_newuserdata(state, size / 4 * 3 + 3);
    int code = sodium_base642bin(bytes, size / 4 * 3 + 3, text, size, NULL, &read_size, &end,
                                 base64_variant(state, 2));
    if (code != 0 || end != text + size) return 0;
    lua_pushlstring(state, (const char *)bytes, read_size);
    return 1;
}

static const luaL_Reg functions[] = {
    { "sha256", sha256 },     { "hmac", hmac },
    { "equal", equal },       { "random", random_bytes },
    { "argon2id", argon2id }, { "argon2id_verify", argon2id_verify },
    { "seal", seal },         { "open", open_sealed },
    { "hex", hex },           { "from_hex", from_hex },
    { "base64", base64 },     { "from_base64", from_base64 },
    { NULL, NULL },
};

int luaopen_ions_sodium(lua_State *state)
{
    if (sodium_init() < 0) return luaL_error(state, "libsodium finds no source of randomness");
    lua_newtable(state);
    luaL_register(state, NULL, functions);
    return 1;
}
