using System.Buffers.Binary;
using Vmm.Storage;
using Vmm.Storage.Vhd;

namespace Vmm.Fuzz.Storage;

/// <summary>VHD images, fixed, dynamic and differencing.</summary>
public sealed class VhdTarget() : ImageTarget(ImageFormat.Vhd, "vhd")
{
    private const int FooterChecksumAt = 64;
    private const int HeaderChecksumAt = 36;

    /// <inheritdoc/>
    protected override void Seal(Span<byte> bytes)
    {
        for (int at = 0; at + VhdFooter.Bytes <= bytes.Length; at += VhdFooter.Bytes)
        {
            Span<byte> rest = bytes[at..];
            if (rest.StartsWith("conectix"u8)) Seal(rest[..VhdFooter.Bytes], FooterChecksumAt);
            if (rest.StartsWith("cxsparse"u8) && rest.Length >= VhdHeader.Bytes) Seal(rest[..VhdHeader.Bytes], HeaderChecksumAt);
        }
    }

    private static void Seal(Span<byte> bytes, int at) => BinaryPrimitives.WriteUInt32BigEndian(bytes[at..], VhdFooter.Checksum(bytes, at));
}
