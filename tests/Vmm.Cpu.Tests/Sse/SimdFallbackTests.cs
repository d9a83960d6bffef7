using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Execute.Simd;
using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Sse;

/// <summary>What stands in for AES and PCLMULQDQ on hosts without them: published values, and the host's where it has them.</summary>
public sealed class SimdFallbackTests
{
    private const int Rounds = 2000;

    [Fact]
    public void AesRounds_OnTheStandardsExample_GiveItsCiphertext()
    {
        // FIPS 197 appendix B: the state after the first round key, and the second round key.
        Vector128<byte> state = Bytes("193de3bea0f4e22b9ac68d2ae9f84808"), key = Bytes("a0fafe1788542cb123a339392a6c7605");

        Assert.Equal(Bytes("a49c7ff2689f352b6b5bea43026a5049"), AesRounds.Encrypt(state) ^ key);
    }

    [Fact]
    public void AesRounds_OnRandomStates_InvertEachOther()
    {
        Rng rng = new(0xae5);
        for (int i = 0; i < Rounds; i++)
        {
            Vector128<byte> state = Random(ref rng);
            Assert.Equal(state, AesRounds.DecryptLast(AesRounds.EncryptLast(state)));
            Assert.Equal(state, AesRounds.DecryptLast(AesRounds.InverseMixColumns(AesRounds.Encrypt(state))));
        }
    }

    [Fact]
    public void AesRounds_WhereTheHostHasAes_EqualItsInstructions()
    {
        Rng rng = new(0xae6);
        for (int i = 0; Aes.IsSupported && i < Rounds; i++)
        {
            Vector128<byte> state = Random(ref rng), zero = default;
            Assert.Equal(Aes.Encrypt(state, zero), AesRounds.Encrypt(state));
            Assert.Equal(Aes.EncryptLast(state, zero), AesRounds.EncryptLast(state));
            Assert.Equal(Aes.Decrypt(state, zero), AesRounds.InverseMixColumns(AesRounds.DecryptLast(state)));
            Assert.Equal(Aes.DecryptLast(state, zero), AesRounds.DecryptLast(state));
            Assert.Equal(Aes.InverseMixColumns(state), AesRounds.InverseMixColumns(state));
            Assert.Equal(Aes.KeygenAssist(state, 0), AesRounds.KeyWords(state));
        }
    }

    [Theory]
    [InlineData(3ul, 3ul, 5ul, 0ul)]
    [InlineData(0x8000000000000000, 0x8000000000000001, 0x8000000000000000, 0x4000000000000000)]
    public void Multiply_OfPolynomials_HasNoCarries(ulong a, ulong b, ulong low, ulong high)
        => Assert.Equal(Vector128.Create(low, high), SseCrypto.Multiply(a, b));

    [Fact]
    public void Multiply_WhereTheHostHasPclmulqdq_EqualsIt()
    {
        Rng rng = new(0xc1);
        for (int i = 0; Pclmulqdq.IsSupported && i < Rounds; i++)
        {
            ulong a = rng.Next(), b = rng.Next();
            Assert.Equal(Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar(a), Vector128.CreateScalar(b), 0), SseCrypto.Multiply(a, b));
        }
    }

    private static Vector128<byte> Bytes(string hex) => Vector128.Create(Convert.FromHexString(hex));

    private static Vector128<byte> Random(ref Rng rng) => Vector128.Create(rng.Next(), rng.Next()).AsByte();
}
