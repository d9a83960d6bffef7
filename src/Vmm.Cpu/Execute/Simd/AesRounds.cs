using System.Runtime.Intrinsics;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>The parts of an AES round (FIPS 197 §5) for hosts without the instructions. Byte 4c + r of a vector is row r of column c.</summary>
internal static class AesRounds
{
    private const int Columns = 4;
    private const byte Polynomial = 0x1b;
    private const byte AffineConstant = 0x63;

    private static readonly byte[] Box = BuildBox();
    private static readonly byte[] InverseBox = Invert(Box);

    /// <summary>ShiftRows, SubBytes, MixColumns.</summary>
    public static Vector128<byte> Encrypt(Vector128<byte> state) => Mix(EncryptLast(state), 2, 3, 1, 1);

    /// <summary>ShiftRows, SubBytes.</summary>
    public static Vector128<byte> EncryptLast(Vector128<byte> state) => Substitute(state, Box, 1);

    /// <summary>InvShiftRows, InvSubBytes.</summary>
    public static Vector128<byte> DecryptLast(Vector128<byte> state) => Substitute(state, InverseBox, -1);

    public static Vector128<byte> InverseMixColumns(Vector128<byte> state) => Mix(state, 14, 11, 13, 9);

    /// <summary>SubWord and RotWord of words 1 and 3, as AESKEYGENASSIST lays them out.</summary>
    public static Vector128<byte> KeyWords(Vector128<byte> key)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < Columns; i++)
        {
            r = r.WithElement(i, Box[key.GetElement(4 + i)]).WithElement(8 + i, Box[key.GetElement(12 + i)]);
            r = r.WithElement(4 + i, Box[key.GetElement(4 + ((i + 1) % 4))]).WithElement(12 + i, Box[key.GetElement(12 + ((i + 1) % 4))]);
        }

        return r;
    }

    private static Vector128<byte> Substitute(Vector128<byte> state, byte[] box, int direction)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
        {
            int row = i % 4, column = ((i / 4) + (direction * row) + Columns) % Columns;
            r = r.WithElement(i, box[state.GetElement((4 * column) + row)]);
        }

        return r;
    }

    private static Vector128<byte> Mix(Vector128<byte> state, byte m0, byte m1, byte m2, byte m3)
    {
        Vector128<byte> r = default;
        for (int i = 0; i < 16; i++)
        {
            int column = i & ~3;
            byte At(int row) => state.GetElement(column + ((i + row) & 3));
            r = r.WithElement(i, (byte)(Times(At(0), m0) ^ Times(At(1), m1) ^ Times(At(2), m2) ^ Times(At(3), m3)));
        }

        return r;
    }

    /// <summary>Product in GF(2^8).</summary>
    private static byte Times(byte a, byte b)
    {
        int product = 0;
        for (int x = a; b != 0; b >>= 1)
        {
            if ((b & 1) != 0) product ^= x;
            x <<= 1;
            if (x > byte.MaxValue) x ^= Polynomial | 0x100;
        }

        return (byte)product;
    }

    private static byte[] BuildBox()
    {
        byte[] box = new byte[256];
        for (int i = 0; i < box.Length; i++)
        {
            // a^254 is a's inverse, and 0 for 0.
            byte inverse = 1;
            for (int power = 0; power < 254; power++) inverse = Times(inverse, (byte)i);
            byte r = AffineConstant;
            for (int turn = 0; turn <= 4; turn++) r ^= byte.RotateLeft(inverse, turn);
            box[i] = r;
        }

        return box;
    }

    private static byte[] Invert(byte[] box)
    {
        byte[] inverse = new byte[256];
        for (int i = 0; i < box.Length; i++) inverse[box[i]] = (byte)i;
        return inverse;
    }
}
