namespace Vmm.Devices.Virtio.P9;

/// <summary>Message types of 9P2000.L that are known; the answer to T has the number R = T + 1.</summary>
internal enum P9Type : byte
{
    Rlerror = 7,
    Tstatfs = 8,
    Tlopen = 12,
    Tlcreate = 14,
    Tsymlink = 16,
    Tmknod = 18,
    Trename = 20,
    Treadlink = 22,
    Tgetattr = 24,
    Tsetattr = 26,
    Txattrwalk = 30,
    Txattrcreate = 32,
    Treaddir = 40,
    Tfsync = 50,
    Tlock = 52,
    Tgetlock = 54,
    Tlink = 70,
    Tmkdir = 72,
    Trenameat = 74,
    Tunlinkat = 76,
    Tversion = 100,
    Tattach = 104,
    Tflush = 108,
    Twalk = 110,
    Tread = 116,
    Twrite = 118,
    Tclunk = 120,
    Tremove = 122,
}
