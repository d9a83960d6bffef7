using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Decode;
using static Vmm.Cpu.Execute.Simd.SimdOperands;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>AES and carry-less multiplication, with the host's instructions where it has them (Intel SDM vol. 1 §12.13).</summary>
internal static unsafe class SseCrypto
{
    public static bool Aesenc(Cpu cpu, Op* op)
    {
        Vector128<byte> state = First<byte>(cpu, op), key = Second<byte>(cpu, op);
        return Put(cpu, op, Aes.IsSupported ? Aes.Encrypt(state, key) : AesRounds.Encrypt(state) ^ key);
    }

    public static bool Aesenclast(Cpu cpu, Op* op)
    {
        Vector128<byte> state = First<byte>(cpu, op), key = Second<byte>(cpu, op);
        return Put(cpu, op, Aes.IsSupported ? Aes.EncryptLast(state, key) : AesRounds.EncryptLast(state) ^ key);
    }

    public static bool Aesdec(Cpu cpu, Op* op)
    {
        Vector128<byte> state = First<byte>(cpu, op), key = Second<byte>(cpu, op);
        return Put(cpu, op, Aes.IsSupported ? Aes.Decrypt(state, key) : AesRounds.InverseMixColumns(AesRounds.DecryptLast(state)) ^ key);
    }

    public static bool Aesdeclast(Cpu cpu, Op* op)
    {
        Vector128<byte> state = First<byte>(cpu, op), key = Second<byte>(cpu, op);
        return Put(cpu, op, Aes.IsSupported ? Aes.DecryptLast(state, key) : AesRounds.DecryptLast(state) ^ key);
    }

    public static bool Aesimc(Cpu cpu, Op* op)
    {
        Vector128<byte> key = Second<byte>(cpu, op);
        return Put(cpu, op, Aes.IsSupported ? Aes.InverseMixColumns(key) : AesRounds.InverseMixColumns(key));
    }

    public static bool Aeskeygenassist(Cpu cpu, Op* op)
    {
        // The round constant only joins the two rotated words.
        uint constant = (byte)op->Imm;
        Vector128<byte> key = Second<byte>(cpu, op);
        Vector128<byte> words = Aes.IsSupported ? Aes.KeygenAssist(key, 0) : AesRounds.KeyWords(key);
        return Put(cpu, op, words.AsUInt32() ^ Vector128.Create(0, constant, 0, constant));
    }

    public static bool Pclmulqdq(Cpu cpu, Op* op)
    {
        const int FirstHigh = 0, SecondHigh = 4;
        ulong a = First<ulong>(cpu, op).GetElement((int)op->Imm >> FirstHigh & 1), b = Second<ulong>(cpu, op).GetElement((int)op->Imm >> SecondHigh & 1);
        return Put(cpu, op, System.Runtime.Intrinsics.X86.Pclmulqdq.IsSupported
            ? System.Runtime.Intrinsics.X86.Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar(a), Vector128.CreateScalar(b), 0)
            : Multiply(a, b));
    }

    /// <summary>Product of two polynomials over GF(2).</summary>
    internal static Vector128<ulong> Multiply(ulong a, ulong b)
    {
        UInt128 product = 0;
        for (int i = 0; i < 64; i++)
        {
            if ((b >> i & 1) != 0) product ^= (UInt128)a << i;
        }

        return Vector128.Create((ulong)product, (ulong)(product >> 64));
    }
}
