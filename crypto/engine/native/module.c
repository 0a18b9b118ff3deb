/* The kernel as a Python module: bytes in, bytes out, the interpreter's lock released for all arithmetic.
 *
 * Arguments are checked for shape alone: what numbers mean is the caller's to know (crypto/engine/native/__init__.py).
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "conversion.h"

#if defined(FEDTRAIN_IFMA)
static int can_run(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
}
#else
#if defined(FEDTRAIN_STAND_IN)
static int can_run(void) { return 1; }
#else
static int can_run(void) { return 0; }
#endif
#endif

#define REFUSED(condition) ((condition) ? 0 : (PyErr_SetString(PyExc_ValueError, "kernel: " #condition " does not hold"), 1))

static int ring_fits(const ring *r, Py_ssize_t bytes, int most_digits) {
    return !(REFUSED(r->count == 1 || r->count == 2) || REFUSED(r->digits >= 4 && r->digits <= most_digits) ||
             REFUSED(r->width * 8 >= r->digits * DIGIT_BITS) ||
             REFUSED(bytes == (Py_ssize_t)r->count * NUMBERS_OF_A_RING * r->width));
}

static size_t residue_bytes(const ring *r) { return sizeof(uint64_t) * (size_t)stride_of(r->digits); }

/* Bytes objects are aligned for words on every platform that has them at all; the kernel loads lanes unaligned. */
static PyObject *finish(PyObject *out, int failed) {
    if (failed && out) {
        Py_DECREF(out);
        return PyErr_NoMemory();
    }
    return out;
}

#define RING_ARGUMENTS "iiy*"
#define RING(r, numbers, most)                                                                                         \
    (r).width = (int)((numbers).len / ((Py_ssize_t)(r).count * NUMBERS_OF_A_RING + ((r).count < 1)));                  \
    (r).numbers = (numbers).buf;                                                                                       \
    int wrong = !ring_fits(&(r), (numbers).len, most)

static PyObject *py_load(PyObject *self, PyObject *args) {
    ring r;
    Py_buffer numbers, pairs;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*", &r.count, &r.digits, &numbers, &pairs)) return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED(pairs.len % (2 * r.width) == 0)) {
        const size_t count = (size_t)pairs.len / (2 * (size_t)r.width);
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * residue_bytes(&r)));
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS failed = to_montgomery(to, pairs.buf, count, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&pairs);
    return out;
}

static PyObject *py_store(PyObject *self, PyObject *args) {
    ring r;
    Py_buffer numbers, in;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*", &r.count, &r.digits, &numbers, &in)) return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED((size_t)in.len % residue_bytes(&r) == 0)) {
        const size_t count = (size_t)in.len / residue_bytes(&r);
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * 2 * (size_t)r.width));
        if (out) {
            uint8_t *to = (uint8_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS failed = from_montgomery(to, in.buf, count, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&in);
    return out;
}

static int exponents_fit(exponents *e, const Py_buffer *buffer, size_t count) {
    e->words = buffer->buf;
    e->words_each = e->bits > 0 ? (e->bits + 63) / 64 : 1;
    const Py_ssize_t each = (Py_ssize_t)sizeof(uint64_t) * e->words_each;
    return !(REFUSED(e->bits >= 1) || REFUSED(buffer->len == each * (e->shared ? 1 : (Py_ssize_t)count)));
}

static PyObject *py_powers(PyObject *self, PyObject *args) {
    ring r;
    exponents e;
    Py_buffer numbers, in, words;
    int window_bits, secret;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*y*ipip", &r.count, &r.digits, &numbers, &in, &words, &e.bits,
                          &e.shared, &window_bits, &secret))
        return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED((size_t)in.len % residue_bytes(&r) == 0) && !REFUSED(window_bits >= 1 && window_bits <= 8) &&
        exponents_fit(&e, &words, (size_t)in.len / residue_bytes(&r))) {
        out = PyBytes_FromStringAndSize(NULL, in.len);
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS
            failed = powers_of(to, in.buf, (size_t)in.len / residue_bytes(&r), &e, window_bits, secret, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&in);
    PyBuffer_Release(&words);
    return out;
}

#define TABLE_FITS(window_bits, secret)                                                                                \
    !REFUSED(window_bits >= (secret ? LEAST_SECRET_WINDOW_BITS : 1) && window_bits <= 16)

static PyObject *py_fixed_base_table(PyObject *self, PyObject *args) {
    ring r;
    Py_buffer numbers, base;
    int positions, window_bits, secret;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*iip", &r.count, &r.digits, &numbers, &base, &positions, &window_bits,
                          &secret))
        return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED(r.count == 1) && !REFUSED((size_t)base.len == residue_bytes(&r)) &&
        !REFUSED(positions >= 1) && TABLE_FITS(window_bits, secret)) {
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(((size_t)positions * residue_bytes(&r)) << window_bits));
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS failed = fixed_base_table(to, base.buf, positions, window_bits, secret, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&base);
    return out;
}

static PyObject *py_fixed_base_powers(PyObject *self, PyObject *args) {
    ring r;
    exponents e;
    Py_buffer numbers, table, words;
    Py_ssize_t count;
    int window_bits, segments, secret;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*y*niiip", &r.count, &r.digits, &numbers, &table, &words, &count,
                          &e.bits, &window_bits, &segments, &secret))
        return NULL;
    e.shared = 0;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED(r.count == 1) && !REFUSED(count >= 0) && TABLE_FITS(window_bits, secret) &&
        !REFUSED(segments >= 1 && (segments == 1 || !secret)) && exponents_fit(&e, &words, (size_t)count) &&
        !REFUSED((size_t)table.len == (((size_t)(e.bits + window_bits - 1) / (size_t)window_bits) * residue_bytes(&r))
                                          << window_bits)) {
        const size_t factors = (size_t)count * (size_t)segments;
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(factors * residue_bytes(&r)));
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS
            failed = fixed_base_powers(to, table.buf, factors, &e, window_bits, segments, secret, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&table);
    PyBuffer_Release(&words);
    return out;
}

#define JOINT_FITS(group_size, window_bits)                                                                            \
    (!REFUSED(group_size >= 1 && window_bits >= 1) && !REFUSED(group_size *window_bits <= 16))

static PyObject *py_joint_tables(PyObject *self, PyObject *args) {
    ring r;
    Py_buffer numbers, bases;
    int group_size, window_bits;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*ii", &r.count, &r.digits, &numbers, &bases, &group_size,
                          &window_bits))
        return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED(r.count == 1) && JOINT_FITS(group_size, window_bits) &&
        !REFUSED((size_t)bases.len % residue_bytes(&r) == 0)) {
        const size_t count = (size_t)bases.len / residue_bytes(&r);
        const size_t groups = (count + (size_t)group_size - 1) / (size_t)group_size;
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((groups * residue_bytes(&r)) << (group_size * window_bits)));
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS failed = joint_tables(to, bases.buf, count, group_size, window_bits, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&bases);
    return out;
}

static int indices_fit(const Py_buffer *indices, int index_bits) {
    const uint16_t *index = indices->buf;
    for (Py_ssize_t i = 0; i < indices->len / 2; i++)
        if (index[i] >> index_bits) return !REFUSED(index[i] < 1 << index_bits);
    return 1;
}

static PyObject *py_joint_products(PyObject *self, PyObject *args) {
    ring r;
    Py_buffer numbers, tables, first, indices;
    int first_squarings, positions, segments, group_size, window_bits;
    Py_ssize_t groups;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*y*iy*iniii", &r.count, &r.digits, &numbers, &tables, &first,
                          &first_squarings, &indices, &positions, &groups, &segments, &group_size,
                          &window_bits))
        return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED(r.count == 1) && JOINT_FITS(group_size, window_bits) &&
        !REFUSED(positions >= 1 && groups >= 1 && segments >= 1 && first_squarings >= 0) &&
        !REFUSED((size_t)first.len == residue_bytes(&r)) &&
        !REFUSED((size_t)tables.len == ((size_t)groups * residue_bytes(&r)) << (group_size * window_bits)) &&
        !REFUSED(indices.len % ((Py_ssize_t)sizeof(uint16_t) * positions * groups) == 0) &&
        indices_fit(&indices, group_size * window_bits)) {
        const size_t rows = (size_t)(indices.len / ((Py_ssize_t)sizeof(uint16_t) * positions * groups));
        const size_t count = rows * (size_t)segments;
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * residue_bytes(&r)));
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS
            failed = joint_products(to, tables.buf, first.buf, first_squarings, indices.buf, count, positions,
                                    (size_t)groups, segments, group_size, window_bits, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&tables);
    PyBuffer_Release(&first);
    PyBuffer_Release(&indices);
    return out;
}

static PyObject *py_horner(PyObject *self, PyObject *args) {
    ring r;
    Py_buffer numbers, in;
    Py_ssize_t size;
    int shift_bits;
    (void)self;
    if (!PyArg_ParseTuple(args, RING_ARGUMENTS "y*ni", &r.count, &r.digits, &numbers, &in, &size, &shift_bits))
        return NULL;
    RING(r, numbers, MOST_HALF_DIGITS);
    PyObject *out = NULL;
    if (!wrong && !REFUSED(r.count == 1) && !REFUSED(size >= 1 && shift_bits >= 0) &&
        !REFUSED((size_t)in.len % residue_bytes(&r) == 0)) {
        const size_t count = (size_t)in.len / residue_bytes(&r);
        const size_t groups = (count + (size_t)size - 1) / (size_t)size;
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(groups * residue_bytes(&r)));
        if (out) {
            uint64_t *to = (uint64_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS failed = horner(to, in.buf, count, (size_t)size, shift_bits, &r);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&in);
    return out;
}

static PyObject *py_product(PyObject *self, PyObject *args) {
    Py_buffer modulus, numbers;
    Py_ssize_t rows;
    int digits;
    (void)self;
    if (!PyArg_ParseTuple(args, "iy*ny*", &digits, &modulus, &rows, &numbers)) return NULL;
    PyObject *out = NULL;
    const Py_ssize_t width = modulus.len / 3;
    if (!REFUSED(digits >= 4 && digits <= MOST_DIGITS) && !REFUSED(modulus.len == 3 * width) &&
        !REFUSED(width * 8 >= digits * DIGIT_BITS) && !REFUSED(rows >= 1) && !REFUSED(numbers.len % (rows * width) == 0)) {
        const size_t columns = (size_t)(numbers.len / (rows * width));
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)columns * width);
        if (out) {
            uint8_t *to = (uint8_t *)PyBytes_AsString(out);
            int failed;
            Py_BEGIN_ALLOW_THREADS
            failed = product(to, numbers.buf, columns, (size_t)rows, modulus.buf, digits, (int)width);
            Py_END_ALLOW_THREADS out = finish(out, failed);
        }
    }
    PyBuffer_Release(&modulus);
    PyBuffer_Release(&numbers);
    return out;
}

static PyObject *py_can_run(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    return PyBool_FromLong(can_run());
}

static PyMethodDef methods[] = {
    {"can_run", py_can_run, METH_NOARGS, "Return whether this processor has what the kernel is compiled for."},
    {"load", py_load, METH_VARARGS, "Bring pairs of numbers to Montgomery form."},
    {"store", py_store, METH_VARARGS, "Bring residues back to pairs of numbers."},
    {"powers", py_powers, METH_VARARGS, "Raise each residue to its exponent, or all to one."},
    {"fixed_base_table", py_fixed_base_table, METH_VARARGS, "Make the table of one base."},
    {"fixed_base_powers", py_fixed_base_powers, METH_VARARGS, "Raise a table's base to each exponent."},
    {"joint_tables", py_joint_tables, METH_VARARGS, "Make the tables of groups of bases."},
    {"joint_products", py_joint_products, METH_VARARGS, "Multiply the entries that each row names."},
    {"horner", py_horner, METH_VARARGS, "Pack residues into slots."},
    {"product", py_product, METH_VARARGS, "Multiply ordinary numbers, column by column."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "Montgomery arithmetic on eight residues at a time.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
